//! One method of a quest: what it is marked as, what it takes, what it gives back.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{
    Attribute, FnArg, GenericArgument, ImplItemFn, LitStr, Meta, PathArguments, Receiver, Result, ReturnType, Type,
    spanned::Spanned,
};

use crate::{
    attributes::{Arguments, check_event, check_name},
    patterns::{self, Declared},
};

/// What a method is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `init`, which always exists.
    Init,
    /// An action, or `upgrade` or `dealloc`.
    Action,
    /// A query.
    Query,
}

/// A method that the host can call.
pub struct Method {
    /// What it is.
    pub kind: Kind,
    /// Its name for the host.
    pub name: LitStr,
    /// The events that it is on.
    pub on: Vec<LitStr>,
    /// The schedules that it runs by.
    pub every: Vec<LitStr>,
    /// The patterns that call it.
    pub patterns: Vec<Declared>,
    /// The call, as a match arm's body.
    pub call: TokenStream,
}

impl Method {
    /// Reads a method and takes its mark off; none if it is not for the host.
    pub fn read(function: &mut ImplItemFn) -> Result<Option<Method>> {
        let ident = function.sig.ident.clone();
        let mark = take_mark(&mut function.attrs)?;
        let marked_patterns = patterns::take(&mut function.attrs);
        let lifecycle = ["init", "upgrade", "dealloc"].iter().any(|name| ident == name);
        let (kind, arguments) = match mark {
            Some((_, attribute)) if lifecycle => {
                let message = format!("remove the attribute: the host calls `{ident}` by itself");
                return Err(syn::Error::new(attribute.span(), message));
            }
            Some((Kind::Query, _)) if !marked_patterns.is_empty() => {
                return Err(syn::Error::new(marked_patterns[0].span(), "a pattern calls an action, not a query"));
            }
            Some((kind, attribute)) => (kind, Some(attribute)),
            None if lifecycle && !marked_patterns.is_empty() => {
                let message = format!("remove the attribute: the host calls `{ident}` by itself");
                return Err(syn::Error::new(marked_patterns[0].span(), message));
            }
            None if !marked_patterns.is_empty() => (Kind::Action, None),
            None if ident == "init" => (Kind::Init, None),
            None if lifecycle => (Kind::Action, None),
            None => return Ok(None),
        };
        let known: &[&str] = if kind == Kind::Query { &["name"] } else { &["name", "on", "every"] };
        let tokens = match arguments.map(|attribute| attribute.meta) {
            Some(Meta::List(list)) => list.tokens,
            Some(Meta::NameValue(pair)) => return Err(syn::Error::new(pair.span(), "write `#[action(on = [\"…\"])]`")),
            Some(Meta::Path(_)) | None => TokenStream::new(),
        };
        let mut arguments = Arguments::parse(tokens, known)?;
        let default = LitStr::new(ident.to_string().trim_start_matches("r#"), ident.span());
        let name = arguments.text("name")?.unwrap_or(default);
        check_name(if kind == Kind::Query { "query" } else { "action" }, &name.value(), name.span())?;
        if !lifecycle && ["init", "upgrade", "dealloc"].contains(&name.value().as_str()) {
            return Err(syn::Error::new(name.span(), format!("{:?} is a name for the host's own calls", name.value())));
        }
        let on = arguments.texts("on")?;
        on.iter().try_for_each(check_event)?;
        let every = arguments.texts("every")?;
        let patterns = patterns::read(marked_patterns, &name)?;
        let call = call(function, kind)?;
        Ok(Some(Method { kind, name, on, every, patterns, call }))
    }
}

fn take_mark(attributes: &mut Vec<Attribute>) -> Result<Option<(Kind, Attribute)>> {
    let mut mark = None;
    for attribute in std::mem::take(attributes) {
        let kind = match attribute.path().get_ident().map(ToString::to_string).as_deref() {
            Some("action") => Kind::Action,
            Some("query") => Kind::Query,
            _ => {
                attributes.push(attribute);
                continue;
            }
        };
        if mark.is_some() {
            return Err(syn::Error::new(attribute.span(), "a method is one action or one query"));
        }
        mark = Some((kind, attribute));
    }
    Ok(mark)
}

fn call(function: &ImplItemFn, kind: Kind) -> Result<TokenStream> {
    let signature = &function.sig;
    let ident = &signature.ident;
    if let Some(token) = &signature.asyncness {
        return Err(syn::Error::new(token.span(), "an action does no I/O, so there is nothing to await: drop `async`"));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new(signature.generics.span(), "the host cannot choose type parameters: drop them"));
    }
    let receiver = match signature.inputs.first() {
        Some(FnArg::Receiver(receiver)) => receiver,
        _ => return Err(syn::Error::new(ident.span(), "the first argument is `&mut self`, or `&self`")),
    };
    let changes = changes(receiver)?;
    if changes && kind == Kind::Query {
        return Err(syn::Error::new(receiver.span(), "a query changes nothing: write `&self`"));
    }
    let (mut arguments, mut has_context, mut has_payload) = (TokenStream::new(), false, false);
    for input in signature.inputs.iter().skip(1) {
        let FnArg::Typed(argument) = input else { continue };
        let ty = &*argument.ty;
        if is_context(ty) {
            if std::mem::replace(&mut has_context, true) {
                return Err(syn::Error::new(ty.span(), "there is one `&Context`"));
            }
            arguments.extend(quote!(cx,));
            continue;
        }
        if std::mem::replace(&mut has_payload, true) {
            let message =
                "besides `&Context` there is one argument: the event's payload (a struct holds several values)";
            return Err(syn::Error::new(ty.span(), message));
        }
        match ty {
            Type::Reference(reference) if is_path(&reference.elem, "Context") => {
                return Err(syn::Error::new(ty.span(), "take it as `cx: &Context`"));
            }
            Type::Reference(_) => {
                return Err(syn::Error::new(
                    ty.span(),
                    "the payload is taken by value, of a type that owns what it holds",
                ));
            }
            ty if is_path(ty, "Context") => return Err(syn::Error::new(ty.span(), "take it as `cx: &Context`")),
            _ if ident == "init" || ident == "dealloc" => {
                return Err(syn::Error::new(ty.span(), format!("`{ident}` has no payload: it takes `&Context` only")));
            }
            _ => arguments.extend(quote_spanned!(ty.span()=> ::quest_sdk::Context::payload::<#ty>(cx)?,)),
        }
    }
    // The first values are stored by `init`, whether it changes them or not.
    let changes = changes || ident == "init";
    let around = if changes { quote!(changing) } else { quote!(reading) };
    let body = answer(&signature.output, &quote!(Self::#ident(this, #arguments)));
    let this = if changes { quote!(this: &mut Self) } else { quote!(this: &Self) };
    Ok(quote!(::quest_sdk::__private::#around(|#this| { #body })))
}

fn changes(receiver: &Receiver) -> Result<bool> {
    if receiver.reference.is_none() || receiver.colon_token.is_some() {
        return Err(syn::Error::new(receiver.span(), "the first argument is `&mut self`, or `&self`"));
    }
    Ok(receiver.mutability.is_some())
}

/// What a method returns decides how its answer is given: nothing, `Result`, a value, or `Result<value>`.
fn answer(output: &ReturnType, call: &TokenStream) -> TokenStream {
    let done = quote!(::core::result::Result::Ok(()));
    let ty = match output {
        ReturnType::Default => return quote!(#call; #done),
        ReturnType::Type(_, ty) => &**ty,
    };
    if is_unit(ty) {
        return quote!(#call; #done);
    }
    let Some(inner) = result_of(ty) else {
        return quote_spanned!(ty.span()=> let answer = #call; ::quest_sdk::Context::reply(cx, answer));
    };
    if inner.is_none_or(is_unit) {
        return quote_spanned!(ty.span()=> #call?; #done);
    }
    quote_spanned!(ty.span()=> let answer = #call?; ::quest_sdk::Context::reply(cx, answer))
}

/// The first type argument of a `Result`, if it is one.
fn result_of(ty: &Type) -> Option<Option<&Type>> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Some(None) };
    Some(arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }))
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_none() && is_path(&reference.elem, "Context"))
}

fn is_path(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == name))
}
