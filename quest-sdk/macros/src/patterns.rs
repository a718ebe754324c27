//! `#[pattern(kind = "within", after = "…", …)]` on the action that it calls: its keys become the pattern's spec, as JSON text.
//!
//! What the keys mean stands in the host, and a wrong one is refused when the module is loaded (and when a test builds its world).

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Expr, ExprArray, ExprLit, ExprUnary, Lit, LitStr, Meta, Result, UnOp, spanned::Spanned};

use crate::attributes::{Arguments, check_name};

/// A declared pattern.
pub struct Declared {
    /// Its name.
    pub name: LitStr,
    /// Its spec as JSON text.
    pub spec: LitStr,
}

/// Takes the marks off.
pub fn take(attributes: &mut Vec<Attribute>) -> Vec<Attribute> {
    let (taken, kept) = std::mem::take(attributes).into_iter().partition(|it| it.path().is_ident("pattern"));
    *attributes = kept;
    taken
}

/// Reads the marks of one method. A pattern is called as its action is, unless it has a name of its own.
pub fn read(marks: Vec<Attribute>, action: &LitStr) -> Result<Vec<Declared>> {
    let mut patterns: Vec<Declared> = Vec::new();
    for mark in marks {
        let tokens = match &mark.meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        };
        if tokens.is_empty() {
            return Err(syn::Error::new(mark.span(), "write `#[pattern(kind = \"…\", …)]`"));
        }
        let mut arguments = Arguments::parse_any(tokens)?;
        let name = arguments.text("name")?.unwrap_or_else(|| action.clone());
        check_name("pattern", &name.value(), name.span())?;
        if patterns.iter().any(|other| other.name.value() == name.value()) {
            let message = format!("there is a pattern {:?} already: give this one a `name = \"…\"`", name.value());
            return Err(syn::Error::new(mark.span(), message));
        }
        let mut pairs = vec![format!("\"action\":{}", json_text(&action.value()))];
        for (key, span, value) in arguments.rest() {
            if key == "action" {
                return Err(syn::Error::new(span, "a pattern calls the method that it stands on: drop `action`"));
            }
            // `else` is a word of Rust; `in` and `for` too, which may be written raw.
            let key = key.trim_start_matches("r#");
            let key = if key == "or_else" { "else".to_owned() } else { key.replace('_', "-") };
            let value = match value {
                Some(value) => json(&value)?,
                None => "true".to_owned(),
            };
            pairs.push(format!("{}:{value}", json_text(&key)));
        }
        let spec = LitStr::new(&format!("{{{}}}", pairs.join(",")), Span::call_site());
        patterns.push(Declared { name, spec });
    }
    Ok(patterns)
}

fn json(value: &Expr) -> Result<String> {
    let wrong =
        || syn::Error::new(value.span(), "a literal is wanted: a text, a number, true, false, or several in brackets");
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(json_text(&text.value())),
        Expr::Lit(ExprLit { lit: Lit::Bool(flag), .. }) => Ok(flag.value.to_string()),
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => Ok(number.base10_digits().to_owned()),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => Ok(number.base10_digits().to_owned()),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => match &**expr {
            Expr::Lit(ExprLit { lit: Lit::Int(_) | Lit::Float(_), .. }) => Ok(format!("-{}", json(expr)?)),
            _ => Err(wrong()),
        },
        Expr::Array(ExprArray { elems, .. }) => {
            let parts = elems.iter().map(json).collect::<Result<Vec<_>>>()?;
            Ok(format!("[{}]", parts.join(",")))
        }
        _ => Err(wrong()),
    }
}

fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => json.push(other),
        }
    }
    json.push('"');
    json
}
