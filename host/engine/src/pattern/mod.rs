//! STUB
#![allow(missing_docs, clippy::all)]
use crate::model::{Millis, Value};
use crate::schedule::Zone;
#[derive(Debug)]
pub struct Spec;
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct State;
pub struct Seen<'a> {
    pub name: &'a str,
    pub payload: &'a Value,
    pub stamp: Millis,
}
pub struct Fire {
    pub action: String,
    pub stamp: Millis,
    pub payload: Value,
}
impl Spec {
    pub fn parse(_: &Value, _: &dyn Fn(&str) -> bool) -> Result<Spec, String> {
        Ok(Spec)
    }
    pub fn observes(&self, _: &str) -> bool {
        false
    }
}
pub fn start(_: &Spec, _: Millis, _: &Zone) -> State {
    State
}
pub fn observe(_: &Spec, _: &mut State, _: &Seen<'_>, _: &Zone) -> Vec<Fire> {
    vec![]
}
pub fn tick(_: &Spec, _: &mut State, _: Millis, _: &Zone) -> Vec<Fire> {
    vec![]
}
pub fn due(_: &Spec, _: &State) -> Option<Millis> {
    None
}
pub fn inspect(_: &Spec, _: &State) -> Value {
    Value::Null
}
pub fn is_over(_: &Spec, _: &State) -> bool {
    false
}
pub fn resume(_: &Spec, s: State, _: Millis) -> State {
    s
}
pub fn rezone(_: &Spec, _: &mut State, _: Millis, _: &Zone) -> bool {
    false
}
