//! What `module!` exports: dispatch over a module's quests.

use crate::{Context, Result, host, quest::Entry, quest::unknown_action};

/// `define`: each quest tells what it is.
pub fn define(entries: &[Entry]) -> Result {
    entries.iter().try_for_each(|entry| (entry.define)())
}

/// `init` and `perform`: the quest in hand runs.
pub fn run(entries: &[Entry], action: &str) -> Result {
    let quest = host::quest();
    match entries.iter().find(|entry| entry.name == quest) {
        Some(entry) => (entry.run)(action, &Context::new()),
        None => unknown_action(action),
    }
}

/// Exports the quests of this module to the host: `quest_sdk::module!(Counter);`, or several: `module!(Cart, WinBack);`.
///
/// Exactly once in a crate of the type `cdylib`. Natively it does nothing, but checks that each is a quest.
#[macro_export]
macro_rules! module {
    ($($quest:ty),+ $(,)?) => {
        const _: &[$crate::__private::Entry] = &[$($crate::__private::Entry::of::<$quest>()),+];

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            const ENTRIES: &[$crate::__private::Entry] = &[$($crate::__private::Entry::of::<$quest>()),+];
            struct Module;

            impl $crate::__private::bindings::exports::quest::host::guest::Guest for Module {
                fn define() -> ::core::result::Result<(), $crate::__private::bindings::quest::host::types::Error> {
                    $crate::__private::answer($crate::__private::module::define(ENTRIES))
                }

                fn init() -> ::core::result::Result<(), $crate::__private::bindings::quest::host::types::Error> {
                    $crate::__private::answer($crate::__private::module::run(ENTRIES, "init"))
                }

                fn perform(
                    action: ::std::string::String,
                ) -> ::core::result::Result<(), $crate::__private::bindings::quest::host::types::Error> {
                    $crate::__private::answer($crate::__private::module::run(ENTRIES, &action))
                }
            }

            $crate::__private::bindings::export_guest!(Module with_types_in $crate::__private::bindings);
        };
    };
    () => {
        ::core::compile_error!("name the module's quests: `quest_sdk::module!(Counter);`");
    };
}
