//! Arguments in parentheses: `name = "…", on = ["…", …]`, with an error at whatever does not belong.

use proc_macro2::{Span, TokenStream};
use syn::{
    Expr, ExprArray, ExprLit, Lit, LitInt, LitStr, Meta, Result, Token, parse::Parser, punctuated::Punctuated,
    spanned::Spanned,
};

/// Parsed arguments, each taken once.
pub struct Arguments {
    given: Vec<(String, Span, Option<Expr>)>,
}

impl Arguments {
    /// Parses, and refuses keys that are not among `known`.
    pub fn parse(tokens: TokenStream, known: &[&str]) -> Result<Self> {
        let metas = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens)?;
        let mut given: Vec<(String, Span, Option<Expr>)> = Vec::new();
        for meta in metas {
            let key = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
            if !known.contains(&key.as_str()) {
                let known = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                return Err(syn::Error::new(meta.span(), format!("unknown argument `{key}`; known here: {known}")));
            }
            if given.iter().any(|(other, ..)| *other == key) {
                return Err(syn::Error::new(meta.span(), format!("`{key}` is given twice")));
            }
            let span = meta.path().span();
            match meta {
                Meta::Path(_) => given.push((key, span, None)),
                Meta::NameValue(pair) => given.push((key, span, Some(pair.value))),
                Meta::List(list) => {
                    return Err(syn::Error::new(list.span(), format!("write `{key} = …`")));
                }
            }
        }
        Ok(Self { given })
    }

    /// Parses, whatever the keys are.
    pub fn parse_any(tokens: TokenStream) -> Result<Self> {
        let metas = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens.clone())?;
        let keys: Vec<String> =
            metas.iter().filter_map(|meta| meta.path().get_ident().map(ToString::to_string)).collect();
        Self::parse(tokens, &keys.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What was not taken.
    pub fn rest(self) -> Vec<(String, Span, Option<Expr>)> {
        self.given
    }

    fn take(&mut self, key: &str) -> Option<(Span, Option<Expr>)> {
        let at = self.given.iter().position(|(other, ..)| other == key)?;
        let (_, span, value) = self.given.remove(at);
        Some((span, value))
    }

    /// A key without a value.
    pub fn flag(&mut self, key: &str) -> Result<bool> {
        match self.take(key) {
            None => Ok(false),
            Some((_, None)) => Ok(true),
            Some((_, Some(value))) => Err(syn::Error::new(value.span(), format!("`{key}` takes no value"))),
        }
    }

    /// A text.
    pub fn text(&mut self, key: &str) -> Result<Option<LitStr>> {
        let Some((span, value)) = self.take(key) else { return Ok(None) };
        let wanted = format!("write `{key} = \"…\"`, with a literal");
        literal(value.ok_or_else(|| syn::Error::new(span, &wanted))?, &wanted).map(Some)
    }

    /// A text, or several in brackets.
    pub fn texts(&mut self, key: &str) -> Result<Vec<LitStr>> {
        let Some((span, value)) = self.take(key) else { return Ok(Vec::new()) };
        let wanted = format!("write `{key} = [\"…\", …]`, with literals");
        match value.ok_or_else(|| syn::Error::new(span, &wanted))? {
            Expr::Array(ExprArray { elems, .. }) => elems.into_iter().map(|one| literal(one, &wanted)).collect(),
            one => Ok(vec![literal(one, &wanted)?]),
        }
    }

    /// A version: an integer from 1.
    pub fn version(&mut self, key: &str) -> Result<Option<LitInt>> {
        let Some((span, value)) = self.take(key) else { return Ok(None) };
        let wanted = format!("write `{key} = 2`: a literal integer from 1 to 4294967295");
        match value {
            Some(Expr::Lit(ExprLit { lit: Lit::Int(number), .. }))
                if number.base10_parse::<u32>().is_ok_and(|number| number > 0) =>
            {
                Ok(Some(number))
            }
            Some(other) => Err(syn::Error::new(other.span(), wanted)),
            None => Err(syn::Error::new(span, wanted)),
        }
    }
}

fn literal(value: Expr, wanted: &str) -> Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
        other => Err(syn::Error::new(other.span(), wanted)),
    }
}

/// The contract's rule for quests, actions and queries.
pub fn check_name(what: &str, name: &str, span: Span) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(syn::Error::new(span, format!("{what} {name:?} is not allowed: a name is 1 to 64 letters, digits, '_' or '-'")))
}

/// The contract's rule for events.
pub fn check_event(event: &LitStr) -> Result<()> {
    let name = event.value();
    if !name.is_empty() && name.len() <= 128 && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let rule = "an event's name is 1 to 128 bytes without control characters";
    Err(syn::Error::new(event.span(), format!("event name {name:?} is not allowed: {rule}")))
}
