//! `#[quest]`: the block as it was, and the quest that it makes.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, ExprLit, ImplItem, ItemImpl, Lit, LitStr, Meta, Result, Type, spanned::Spanned};

use crate::{
    attributes::{Arguments, check_event, check_name},
    methods::{Kind, Method},
    timers,
};

/// Expands; the block itself stays even if something is wrong, so that the author sees that error and not its consequences.
pub fn expand(arguments: TokenStream, mut block: ItemImpl) -> TokenStream {
    let mut errors: Option<syn::Error> = None;
    let mut note = |error: syn::Error| match &mut errors {
        Some(errors) => errors.combine(error),
        None => errors = Some(error),
    };
    let mut methods: Vec<Method> = Vec::new();
    for item in &mut block.items {
        let ImplItem::Fn(function) = item else { continue };
        match Method::read(function) {
            Ok(Some(method)) => methods.push(method),
            Ok(None) => {}
            Err(error) => note(error),
        }
    }
    for (index, method) in methods.iter().enumerate() {
        if methods[..index].iter().any(|other| other.name.value() == method.name.value()) {
            let name = method.name.value();
            note(syn::Error::new(method.name.span(), format!("there is an action or query {name:?} already")));
        }
    }
    // With a method that could not be read, an action may only seem to be missing.
    if errors.is_none()
        && let Err(error) = check_timers(&block, &methods)
    {
        errors = Some(error);
    }
    let quest = match (errors, implementation(arguments, &block, &methods)) {
        (None, Ok(quest)) => quest,
        (Some(mut errors), Err(error)) => {
            errors.combine(error);
            errors.into_compile_error()
        }
        (Some(error), Ok(_)) | (None, Err(error)) => error.into_compile_error(),
    };
    quote!(#block #quest)
}

fn check_timers(block: &ItemImpl, methods: &[Method]) -> Result<()> {
    let mut errors: Option<syn::Error> = None;
    for action in timers::actions_called(block.to_token_stream()) {
        let exists = |method: &Method| method.kind == Kind::Action && method.name.value() == action.value();
        if methods.iter().any(exists) {
            continue;
        }
        let error = syn::Error::new(action.span(), format!("the quest has no action {:?}", action.value()));
        match &mut errors {
            Some(errors) => errors.combine(error),
            None => errors = Some(error),
        }
    }
    errors.map_or(Ok(()), Err)
}

fn implementation(arguments: TokenStream, block: &ItemImpl, methods: &[Method]) -> Result<TokenStream> {
    if let Some((_, path, _)) = &block.trait_ {
        return Err(syn::Error::new(path.span(), "`#[quest]` goes on a struct's own methods: `impl Counter { … }`"));
    }
    if !block.generics.params.is_empty() {
        return Err(syn::Error::new(block.generics.span(), "a quest has no type parameters"));
    }
    let mut arguments = Arguments::parse(arguments, &["name", "version", "add_on", "description"])?;
    let ty = &block.self_ty;
    let name = match arguments.text("name")? {
        Some(name) => name,
        None => type_name(ty)?,
    };
    check_name("quest", &name.value(), name.span())?;
    let version = arguments.version("version")?;
    let add_on = arguments.texts("add_on")?;
    add_on.iter().try_for_each(check_event)?;
    let description = arguments.text("description")?.or_else(|| first_doc_line(&block.attrs));

    let mut says = quote!(::quest_sdk::__private::define_quest(#name)?;);
    if let Some(text) = description {
        says.extend(quote!(::quest_sdk::__private::define_description(#text)?;));
    }
    if let Some(version) = version {
        says.extend(quote!(::quest_sdk::__private::define_version(#version)?;));
    }
    for event in add_on {
        says.extend(quote!(::quest_sdk::__private::define_add_on(#event)?;));
    }
    let mut arms = TokenStream::new();
    let mut names: Vec<String> = Vec::new();
    for Method { kind, name, on, every, patterns, call } in methods {
        match kind {
            Kind::Init => {}
            Kind::Query => says.extend(quote!(::quest_sdk::__private::define_query(#name)?;)),
            Kind::Action => says.extend(quote!(::quest_sdk::__private::define_action(#name)?;)),
        }
        says.extend(on.iter().map(|event| quote!(::quest_sdk::__private::define_on(#name, #event)?;)));
        for (index, schedule) in every.iter().enumerate() {
            let recurrence = if index == 0 { name.value() } else { format!("{}-{}", name.value(), index + 1) };
            says.extend(quote!(::quest_sdk::__private::define_every(#recurrence, #name, #schedule)?;));
        }
        for pattern in patterns {
            let (pattern_name, spec) = (&pattern.name, &pattern.spec);
            if names.contains(&pattern_name.value()) {
                let message = format!("there is a pattern {:?} already", pattern_name.value());
                return Err(syn::Error::new(pattern_name.span(), message));
            }
            names.push(pattern_name.value());
            says.extend(quote!(::quest_sdk::__private::define_pattern(#pattern_name, #spec)?;));
        }
        arms.extend(quote!(#name => #call,));
    }
    if !methods.iter().any(|method| method.kind == Kind::Init) {
        // Without one of its own, `init` stores the defaults.
        arms.extend(quote! {
            "init" => ::quest_sdk::__private::changing(|_: &mut Self| ::core::result::Result::Ok(())),
        });
    }
    Ok(quote! {
        #[automatically_derived]
        impl ::quest_sdk::Quest for #ty {
            const NAME: &'static str = #name;

            fn define() -> ::quest_sdk::Result {
                #says
                ::core::result::Result::Ok(())
            }

            #[allow(unused_variables, clippy::let_unit_value, clippy::unit_arg)]
            fn run(action: &str, cx: &::quest_sdk::Context) -> ::quest_sdk::Result {
                match action {
                    #arms
                    _ => ::quest_sdk::__private::unknown_action(action),
                }
            }
        }
    })
}

/// `AbandonedCart` is `abandoned_cart`.
fn type_name(ty: &Type) -> Result<LitStr> {
    let Type::Path(path) = ty else {
        return Err(syn::Error::new(ty.span(), "`#[quest]` goes on a struct's own methods: `impl Counter { … }`"));
    };
    let ident = path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    let mut name = String::new();
    let letters: Vec<char> = ident.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        // A word begins at a capital beside a small letter: `HTTPQuest` has two.
        let beside = |other: Option<&char>| other.is_some_and(|other| other.is_lowercase());
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        if letter.is_uppercase() && at > 0 && (beside(before) || beside(letters.get(at + 1))) {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    Ok(LitStr::new(&name, ty.span()))
}

fn first_doc_line(attributes: &[Attribute]) -> Option<LitStr> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                let line = text.value().trim().to_owned();
                (!line.is_empty()).then(|| LitStr::new(&line, text.span()))
            }
            _ => None,
        },
        _ => None,
    })
}
