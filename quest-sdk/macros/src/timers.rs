//! Finds timers that call an action which the quest does not have: `….timers().after("name", delay, "action")`.
//!
//! Only literals can be checked here; the host refuses the others when they are set.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Expr, ExprLit, Lit, LitStr, Token, parse::Parser, punctuated::Punctuated};

/// The literal actions that timers in `tokens` call.
pub fn actions_called(tokens: TokenStream) -> Vec<LitStr> {
    let mut found = Vec::new();
    search(tokens, &mut found);
    found
}

fn search(tokens: TokenStream, found: &mut Vec<LitStr>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for tree in &trees {
        if let TokenTree::Group(group) = tree {
            search(group.stream(), found);
        }
    }
    for window in trees.windows(5) {
        let [
            TokenTree::Ident(timers),
            TokenTree::Group(_),
            TokenTree::Punct(dot),
            TokenTree::Ident(method),
            TokenTree::Group(arguments),
        ] = window
        else {
            continue;
        };
        let sets = ["after", "after_with", "at", "at_with", "every", "every_with"].iter().any(|name| method == name);
        if timers != "timers" || dot.as_char() != '.' || !sets {
            continue;
        }
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(arguments.stream());
        if let Some(Expr::Lit(ExprLit { lit: Lit::Str(action), .. })) =
            arguments.ok().and_then(|arguments| arguments.into_iter().nth(2))
        {
            found.push(action);
        }
    }
}
