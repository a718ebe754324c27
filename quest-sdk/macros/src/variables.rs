//! `#[derive(Variables)]`.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Data, DeriveInput, Fields, LitStr, Meta, Result, spanned::Spanned};

use crate::attributes::Arguments;

/// Visits each field under its name.
pub fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(data) => return Err(only_structs(data.enum_token.span())),
        Data::Union(data) => return Err(only_structs(data.union_token.span())),
    };
    if let Fields::Unnamed(fields) = fields {
        let message = "variables have names: write `struct Quest { counter: u64 }`";
        return Err(syn::Error::new(fields.span(), message));
    }
    let mut names: Vec<String> = Vec::new();
    let mut visits = TokenStream::new();
    for field in fields {
        let Some(ident) = &field.ident else { continue };
        let mut name = LitStr::new(ident.to_string().trim_start_matches("r#"), ident.span());
        let mut skipped = false;
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("variable")) {
            let Meta::List(list) = &attribute.meta else {
                return Err(syn::Error::new(
                    attribute.span(),
                    "write `#[variable(name = \"…\")]` or `#[variable(skip)]`",
                ));
            };
            let mut arguments = Arguments::parse(list.tokens.clone(), &["name", "skip"])?;
            skipped = arguments.flag("skip")?;
            name = arguments.text("name")?.unwrap_or(name);
        }
        if skipped {
            continue;
        }
        if name.value().is_empty() || name.value().len() > 256 {
            return Err(syn::Error::new(name.span(), "a variable's name has 1 to 256 bytes"));
        }
        if names.contains(&name.value()) {
            return Err(syn::Error::new(name.span(), format!("there is a variable {:?} already", name.value())));
        }
        names.push(name.value());
        visits.extend(quote_spanned! {field.ty.span()=>
            ::quest_sdk::Visitor::field(visitor, #name, &mut self.#ident)?;
        });
    }
    let ident = &input.ident;
    let (generics, arguments, clause) = input.generics.split_for_impl();
    Ok(quote_spanned! {ident.span()=>
        #[automatically_derived]
        impl #generics ::quest_sdk::Variables for #ident #arguments #clause {
            fn visit<__V: ::quest_sdk::Visitor>(&mut self, visitor: &mut __V) -> ::quest_sdk::Result {
                let _ = &visitor;
                #visits
                ::core::result::Result::Ok(())
            }
        }
    })
}

fn only_structs(span: proc_macro2::Span) -> syn::Error {
    syn::Error::new(span, "the variables of a quest are the fields of a struct")
}
