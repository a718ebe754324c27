//! What the macros implement, and how a struct of variables is loaded and stored around an action.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Context, Result, Value, codec::read_value, context::invalid_variable, error::fail, host, to_value};

/// A quest: implemented by `#[quest]` on a struct's methods.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a quest",
    label = "no `#[quest]` block",
    note = "put `#[quest]` on the `impl {Self}` block that holds its actions"
)]
pub trait Quest: Variables {
    /// The quest's name.
    const NAME: &'static str;

    /// Tells the host what the quest is.
    fn define() -> Result;

    /// Runs `init`, an action or a query.
    fn run(action: &str, cx: &Context) -> Result;
}

/// A struct whose fields are an instance's variables: implemented by `#[derive(Variables)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what its variables are",
    label = "not `Variables`",
    note = "write `#[derive(Variables, Default)]` above `struct {Self}`"
)]
pub trait Variables: Default {
    /// Gives each field and the name of its variable to `visitor`.
    fn visit<V: Visitor>(&mut self, visitor: &mut V) -> Result;
}

/// Goes over the variables of a struct.
pub trait Visitor {
    /// One field.
    fn field<T: Serialize + DeserializeOwned>(&mut self, name: &'static str, field: &mut T) -> Result;
}

/// One quest of a module.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    pub define: fn() -> Result,
    pub run: fn(&str, &Context) -> Result,
}

impl Entry {
    /// The entry of a quest.
    pub const fn of<Q: Quest>() -> Self {
        Self { name: Q::NAME, define: Q::define, run: Q::run }
    }
}

/// Loads the variables, runs a reading method, stores nothing.
#[doc(hidden)]
pub fn reading<Q: Variables>(run: impl FnOnce(&Q) -> Result) -> Result {
    let mut quest = Q::default();
    quest.visit(&mut Loader { before: Vec::new() })?;
    run(&quest)
}

/// Loads the variables, runs a changing method, stores what differs.
#[doc(hidden)]
pub fn changing<Q: Variables>(run: impl FnOnce(&mut Q) -> Result) -> Result {
    let mut quest = Q::default();
    let mut loader = Loader { before: Vec::new() };
    quest.visit(&mut loader)?;
    run(&mut quest)?;
    quest.visit(&mut Storer { before: loader.before.into_iter() })
}

#[doc(hidden)]
pub fn unknown_action(action: &str) -> Result {
    let mut message = String::from("the quest has no action ");
    message.push_str(action);
    Err(fail("unknown-action", message))
}

/// Reads each field; a variable that is missing leaves its field at the default.
struct Loader {
    before: Vec<Option<Value>>,
}

impl Visitor for Loader {
    fn field<T: Serialize + DeserializeOwned>(&mut self, name: &'static str, field: &mut T) -> Result {
        let value = host::variable(name);
        if let Some(value) = &value {
            *field = read_value(value).map_err(|error| invalid_variable(name, &error))?;
        }
        self.before.push(value);
        Ok(())
    }
}

/// Writes the fields that differ from what was loaded, in the same order.
struct Storer {
    before: std::vec::IntoIter<Option<Value>>,
}

impl Visitor for Storer {
    fn field<T: Serialize + DeserializeOwned>(&mut self, name: &'static str, field: &mut T) -> Result {
        let value = to_value(field).map_err(|error| invalid_variable(name, &error))?;
        let before = self.before.next().flatten();
        if before.as_ref() == Some(&value) {
            return Ok(());
        }
        host::set_variable(name, value)
    }
}
