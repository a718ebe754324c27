//! Text becomes tokens, each with its place.

use super::{Comparison, Wrong};
use crate::model::Value;

/// A token and the character at which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// A word: a field or a keyword.
    Word(String),
    /// A JSON Pointer.
    Pointer(String),
    Literal(Value),
    Compare(Comparison),
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&first) = chars.get(at) {
        if first.is_whitespace() {
            at += 1;
            continue;
        }
        let (what, length) = token(&chars, at)?;
        tokens.push(Token { at, what });
        at += length;
    }
    Ok(tokens)
}

fn token(chars: &[char], at: usize) -> Result<(What, usize), Wrong> {
    let (first, next) = (chars[at], chars.get(at + 1).copied());
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    Ok(match (first, next) {
        ('(', _) => (What::Open, 1),
        (')', _) => (What::Close, 1),
        ('[', _) => (What::OpenList, 1),
        (']', _) => (What::CloseList, 1),
        (',', _) => (What::Comma, 1),
        ('=', Some('=')) => (What::Compare(Comparison::Equal), 2),
        ('!', Some('=')) => (What::Compare(Comparison::Unequal), 2),
        ('<', Some('=')) => (What::Compare(Comparison::LessOrEqual), 2),
        ('>', Some('=')) => (What::Compare(Comparison::GreaterOrEqual), 2),
        ('=', Some('>' | '<')) => return Err(Wrong::new(at, "`=>` is no comparison: write `>=` or `<=`")),
        ('=', _) => return Err(Wrong::new(at, "write `==` for being equal")),
        ('<', _) => (What::Compare(Comparison::Less), 1),
        ('>', _) => (What::Compare(Comparison::Greater), 1),
        ('&', _) => return Err(Wrong::new(at, "write `and`")),
        ('|', _) => return Err(Wrong::new(at, "write `or`")),
        ('!', _) => return Err(Wrong::new(at, "write `not`")),
        ('"' | '\'', _) => quoted(chars, at, first)?,
        ('/', _) => {
            let ends = |c: &char| c.is_whitespace() || matches!(c, ')' | '(' | ',' | '=' | '<' | '>' | '!' | '[' | ']');
            let pointer: String = chars[at..].iter().take_while(|c| !ends(c)).collect();
            let length = pointer.chars().count();
            (What::Pointer(pointer), length)
        }
        (digit, _) if digit.is_ascii_digit() => number(chars, at)?,
        ('-', Some(digit)) if digit.is_ascii_digit() => number(chars, at)?,
        (letter, _) if letter.is_alphabetic() || letter == '_' => {
            let word: String = chars[at..].iter().take_while(|c| is_word(**c)).collect();
            let length = word.chars().count();
            (What::Word(word), length)
        }
        (other, _) => return Err(Wrong::new(at, format!("{other:?} means nothing here"))),
    })
}

fn quoted(chars: &[char], at: usize, quote: char) -> Result<(What, usize), Wrong> {
    let mut text = String::new();
    let mut place = at + 1;
    while let Some(&c) = chars.get(place) {
        match c {
            c if c == quote => return Ok((What::Literal(Value::Text(text)), place + 1 - at)),
            '\\' => {
                place += 1;
                match chars.get(place) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('\\' | '"' | '\'')) => text.push(*c),
                    _ => return Err(Wrong::new(place, "a backslash stands before n, t, a quote or a backslash")),
                }
            }
            c => text.push(c),
        }
        place += 1;
    }
    Err(Wrong::new(at, "the text does not end: its closing quote is missing"))
}

fn number(chars: &[char], at: usize) -> Result<(What, usize), Wrong> {
    let mut text = String::new();
    for &c in &chars[at..] {
        let after_exponent = text.ends_with(['e', 'E']);
        if c.is_ascii_digit()
            || matches!(c, '.' | 'e' | 'E')
            || (matches!(c, '-' | '+') && (text.is_empty() || after_exponent))
        {
            text.push(c);
        } else {
            break;
        }
    }
    let length = text.chars().count();
    let large = || Wrong::new(at, format!("{text} is too large, or no number"));
    let value = match text.contains(['.', 'e', 'E']) {
        true => Value::Number(text.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(large)?),
        false => Value::Integer(text.parse().map_err(|_| large())?),
    };
    Ok((What::Literal(value), length))
}
