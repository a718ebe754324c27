//! The macros of quest-sdk. Their job is to say what is wrong where it is wrong; what they make is thin calls into the SDK.

mod attributes;
mod methods;
mod patterns;
mod quest;
mod timers;
mod variables;

use proc_macro::TokenStream;

/// Makes the fields of a struct the variables of a quest's instance. The struct needs `Default` too: what a variable
/// that was never stored holds.
///
/// On a field: `#[variable(name = "…")]`, `#[variable(skip)]`.
#[proc_macro_derive(Variables, attributes(variable))]
pub fn derive_variables(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    variables::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes the methods of a struct a quest: `#[quest(name = "…", version = 1, add_on = ["…"], description = "…")]`, all optional.
/// The name is the struct's in snake case, the version 1, the description the first line of the block's doc comment.
///
/// In the block `#[action]`, `#[action(on = ["…"], every = "…", name = "…")]`, `#[pattern(kind = "…", …)]` and `#[query]` mark methods; `init`, `upgrade` and `dealloc`
/// need no mark, and others are left as they are.
#[proc_macro_attribute]
pub fn quest(arguments: TokenStream, block: TokenStream) -> TokenStream {
    let block = syn::parse_macro_input!(block as syn::ItemImpl);
    quest::expand(arguments.into(), block).into()
}
