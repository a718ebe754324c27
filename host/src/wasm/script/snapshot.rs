//! Snapshots: an interpreter that has loaded its script, as a component of its own.
//!
//! They are made one after the other on a thread of their own: compiling one takes a core for a good part of a second, and nothing waits
//! for it, since the script is served by replay meanwhile. Each is taken of the interpreter as it is, never of another snapshot, whose many
//! segments would make every instance slow.

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use quest_engine::action::Definer;
use wasmtime::{
    Store,
    component::{Component, Instance, Lift, WasmList},
};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use super::{Interpreter, Scripted, interpreter::prepare};
use crate::wasm::{
    LoadError, Runtime,
    border::QuestPre,
    failure,
    run::{Phase, Run},
};

/// The function whose effect a snapshot keeps.
const DEFINE: &str = "quest:host/guest.define@0.1.0";

/// An interpreter with exports that show its state, and what of it a snapshot is made with.
pub(super) struct Instrumented {
    context: ComponentContext<'static>,
    component: Component,
}

/// Snapshots that are wanted, in order.
#[derive(Default)]
pub(in crate::wasm) struct Snapshots(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    wanted: VecDeque<Weak<Scripted>>,
    /// Whether a thread works on them.
    at_work: bool,
}

impl Snapshots {
    /// Has a snapshot made, in time.
    pub(super) fn make(&self, runtime: &Arc<Runtime>, scripted: &Arc<Scripted>) {
        let mut waiting = self.0.lock();
        waiting.wanted.push_back(Arc::downgrade(scripted));
        if waiting.at_work {
            return;
        }
        let weak = Arc::downgrade(runtime);
        let thread = std::thread::Builder::new().name("snapshots".to_owned()).spawn(move || work(&weak));
        match thread {
            Ok(_) => waiting.at_work = true,
            Err(error) => tracing::warn!(%error, "no thread for snapshots: scripts are slower than they could be"),
        }
    }

    fn next(&self) -> Option<Weak<Scripted>> {
        let mut waiting = self.0.lock();
        let next = waiting.wanted.pop_front();
        waiting.at_work = next.is_some();
        next
    }
}

/// Makes what is wanted, until nothing is, or the host has ended. A script that was replaced meanwhile is passed over.
fn work(runtime: &Weak<Runtime>) {
    while let Some(runtime) = runtime.upgrade() {
        let Some(scripted) = runtime.snapshots.next() else { return };
        let Some(scripted) = scripted.upgrade() else { continue };
        let name = &scripted.script.name;
        let made = failure::guarded(|| runtime.snapshot(&scripted));
        match made.unwrap_or_else(|panic| Err(format!("the host panicked: {panic}"))) {
            Ok(pre) => {
                let _ = scripted.snapshot.set(pre);
                tracing::debug!(script = name, "runs from its snapshot from now on");
            }
            Err(why) => tracing::warn!(script = name, why, "no snapshot: it runs slower than it could"),
        }
    }
}

impl Runtime {
    /// The snapshot of a script, if its compiled code is at hand.
    pub(super) fn snapshot_in_cache(&self, digest: &str) -> Option<QuestPre<Run>> {
        prepare(self, &self.cache.get(&self.engine, digest)?).ok()
    }

    fn snapshot(&self, scripted: &Scripted) -> Result<QuestPre<Run>, String> {
        let interpreter = &scripted.interpreter;
        let instrumented = interpreter.instrumented.get_or_init(|| self.instrument(interpreter));
        let Some(instrumented) = instrumented else {
            return Err("the interpreter cannot be instrumented".to_owned());
        };
        let bytes = self.take(scripted, instrumented).map_err(|error| format!("{error:#}"))?;
        let component = self.compile(&bytes).map_err(|LoadError { message, .. }| message)?;
        self.cache.put(&scripted.digest(), &component);
        prepare(self, &component).map_err(|LoadError { message, .. }| message)
    }

    fn instrument(&self, interpreter: &Interpreter) -> Option<Instrumented> {
        let (context, bytes) = wizer().instrument_component(interpreter.language.interpreter()).ok()?;
        let digest = blake3::hash(&bytes).to_hex().to_string();
        let (component, _) = self.compiled(&digest, &bytes).ok()?;
        Some(Instrumented { context, component })
    }

    /// Loads the script in the interpreter and writes it down as it is then.
    fn take(&self, scripted: &Scripted, instrumented: &Instrumented) -> wasmtime::Result<Vec<u8>> {
        let Instrumented { context, component } = instrumented;
        let mut store = self.store(Phase::Defining(Definer::default()), &self.defining);
        store.data_mut().script = Some(Arc::clone(&scripted.script));
        let pre = QuestPre::new(self.scripts.instantiate_pre(component)?)?;
        let instance = pre.instance_pre().instantiate(&mut store)?;
        let quest = super::super::border::Quest::new(&mut store, &instance)?;
        quest.quest_host_guest().call_define(&mut store)?.map_err(|error| wasmtime::Error::msg(error.message))?;
        // Reading the state takes the guest's own functions, and as long as it takes.
        store.set_epoch_deadline(u64::MAX / 2);
        store.set_hostcall_fuel(usize::MAX);
        at_once(wizer().snapshot_component(context, &mut State { store: &mut store, instance }))
    }
}

fn wizer() -> Wizer {
    let mut wizer = Wizer::new();
    // It is called again, to say what the quests are.
    wizer.init_func(DEFINE).keep_init_func(true);
    wizer
}

/// The state of an instance, as the instrumented component's exports show it.
struct State<'a> {
    store: &'a mut Store<Run>,
    instance: Instance,
}

impl State<'_> {
    /// What one of them gives. They are there, since the component was made with them: anything else is a bug, and caught as one.
    #[allow(clippy::expect_used, reason = "see above")]
    fn shown<R: Lift + Send + Sync + 'static>(&mut self, instance: &str, function: &str) -> R {
        let (_, of) = self.instance.get_export(&mut *self.store, None, instance).expect("an instrumented instance");
        let (_, at) = self.instance.get_export(&mut *self.store, Some(&of), function).expect("its function");
        let function = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, at).expect("of this type");
        function.call(&mut *self.store, ()).expect("reading does not trap").0
    }
}

impl ComponentInstanceState for State<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, function: &str, contents: impl FnOnce(&[u8]) + Send) {
        let list: WasmList<u8> = self.shown(instance, function);
        contents(list.as_le_slice(&*self.store));
    }

    async fn call_func_ret_s32(&mut self, instance: &str, function: &str) -> i32 {
        self.shown(instance, function)
    }

    async fn call_func_ret_s64(&mut self, instance: &str, function: &str) -> i64 {
        self.shown(instance, function)
    }

    async fn call_func_ret_f32(&mut self, instance: &str, function: &str) -> u32 {
        self.shown::<f32>(instance, function).to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, function: &str) -> u64 {
        self.shown::<f64>(instance, function).to_bits()
    }
}

/// Runs to its end what never waits.
fn at_once<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(wasmtime::Error::msg("a snapshot waited for something")),
    }
}
