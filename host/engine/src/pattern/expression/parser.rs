//! Tokens become a checked expression.
//!
//! ```text
//! either  := both ("or" both)*
//! both    := single ("and" single)*
//! single  := "not" single | "(" either ")" | test
//! test    := operand [comparison operand | "in" list | ("contains" | "starts_with" | "ends_with") operand]
//! operand := literal | field | pointer | "exists" "(" field ")"
//! ```

use super::{
    Comparison, Node, TextTest, Wrong,
    lexer::{Token, What},
};
use crate::model::Value;

/// How deep parentheses and `not` may be nested.
const DEPTH_MAX: usize = 32;
/// Elements of a list.
const LIST_MAX: usize = 256;

/// What a part gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Number,
    Text,
    Null,
    /// Only a payload shows.
    Unknown,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "true or false",
            Kind::Number => "a number",
            Kind::Text => "a text",
            Kind::Null => "null",
            Kind::Unknown => "a field",
        }
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    place: usize,
    end: usize,
    depth: usize,
}

type Parsed<T> = Result<T, Wrong>;

/// Reads a whole expression; `end` is the place behind the text.
pub(super) fn parse(tokens: &[Token], end: usize) -> Parsed<Node> {
    if tokens.is_empty() {
        return Err(Wrong::new(0, "there is no condition"));
    }
    let mut parser = Parser { tokens, place: 0, end, depth: 0 };
    let (node, ..) = parser.either()?;
    match parser.tokens.get(parser.place) {
        None => Ok(node),
        Some(token) => Err(Wrong::new(token.at, "nothing more is expected here: is an `and` missing?")),
    }
}

/// A part, what it gives, and where it begins.
type Part = (Node, Kind, usize);

impl Parser<'_> {
    fn at(&self) -> usize {
        self.tokens.get(self.place).map_or(self.end, |token| token.at)
    }

    fn word(&self) -> Option<&str> {
        match &self.tokens.get(self.place)?.what {
            What::Word(word) => Some(word),
            _ => None,
        }
    }

    fn take(&mut self, wanted: &What) -> bool {
        let is_it = self.tokens.get(self.place).is_some_and(|token| token.what == *wanted);
        self.place += usize::from(is_it);
        is_it
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let is_it = self.word() == Some(wanted);
        self.place += usize::from(is_it);
        is_it
    }

    fn either(&mut self) -> Parsed<Part> {
        self.joined("or", Self::both, Node::Or)
    }

    fn both(&mut self) -> Parsed<Part> {
        self.joined("and", Self::single, Node::And)
    }

    fn joined(
        &mut self,
        word: &str,
        part: impl Fn(&mut Self) -> Parsed<Part>,
        join: impl Fn(Box<Node>, Box<Node>) -> Node,
    ) -> Parsed<Part> {
        let (mut node, mut kind, at) = part(self)?;
        while self.word() == Some(word) {
            condition(kind, at)?;
            self.place += 1;
            let (other, other_kind, other_at) = part(self)?;
            condition(other_kind, other_at)?;
            (node, kind) = (join(Box::new(node), Box::new(other)), Kind::Boolean);
        }
        if kind != Kind::Boolean {
            condition(kind, at)?;
        }
        Ok((node, kind, at))
    }

    fn single(&mut self) -> Parsed<Part> {
        let at = self.at();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Wrong::new(at, format!("a condition is nested at most {DEPTH_MAX} deep")));
        }
        let part = if self.take_word("not") {
            let (node, kind, inner_at) = self.single()?;
            condition(kind, inner_at)?;
            (Node::Not(Box::new(node)), Kind::Boolean, at)
        } else if self.take(&What::Open) {
            let (node, kind, _) = self.either()?;
            if !self.take(&What::Close) {
                return Err(Wrong::new(self.at(), "a `)` is missing"));
            }
            (node, kind, at)
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(part)
    }

    fn test(&mut self) -> Parsed<Part> {
        let (left, left_kind, at) = self.operand("a condition is missing")?;
        let comparison = match self.tokens.get(self.place).map(|token| &token.what) {
            Some(What::Compare(comparison)) => Some(*comparison),
            _ => None,
        };
        if let Some(comparison) = comparison {
            self.place += 1;
            let (right, right_kind, right_at) = self.operand("something to compare with is missing")?;
            comparable(comparison, (left_kind, at), (right_kind, right_at))?;
            return Ok((Node::Compare(comparison, Box::new(left), Box::new(right)), Kind::Boolean, at));
        }
        if self.take_word("in") {
            return Ok((Node::In(Box::new(left), self.list()?), Kind::Boolean, at));
        }
        let tests = [
            ("contains", TextTest::Contains),
            ("starts_with", TextTest::StartsWith),
            ("ends_with", TextTest::EndsWith),
        ];
        for (word, test) in tests {
            if self.take_word(word) {
                let (right, right_kind, right_at) = self.operand("a text is missing")?;
                for (kind, at) in [(left_kind, at), (right_kind, right_at)] {
                    if !matches!(kind, Kind::Text | Kind::Unknown) {
                        return Err(Wrong::new(at, format!("`{word}` looks at a text, this is {}", kind.name())));
                    }
                }
                return Ok((Node::Text(test, Box::new(left), Box::new(right)), Kind::Boolean, at));
            }
        }
        Ok((left, left_kind, at))
    }

    fn operand(&mut self, missing: &str) -> Parsed<Part> {
        let Some(token) = self.tokens.get(self.place) else { return Err(Wrong::new(self.end, missing)) };
        let at = token.at;
        self.place += 1;
        match &token.what {
            What::Literal(value) => Ok((Node::Literal(value.clone()), kind(value), at)),
            What::Pointer(pointer) => Ok((Node::Field(pointer.clone()), Kind::Unknown, at)),
            What::Word(word) => match word.as_str() {
                "true" | "false" => Ok((Node::Literal(Value::Boolean(word == "true")), Kind::Boolean, at)),
                "null" => Ok((Node::Literal(Value::Null), Kind::Null, at)),
                "and" | "or" | "not" | "in" | "contains" | "starts_with" | "ends_with" => Err(Wrong::new(at, missing)),
                "exists" if self.take(&What::Open) => {
                    let field_at = self.at();
                    let Ok((Node::Field(pointer), ..)) = self.operand("a field is missing") else {
                        return Err(Wrong::new(field_at, "`exists` asks for a field"));
                    };
                    match self.take(&What::Close) {
                        true => Ok((Node::Exists(pointer), Kind::Boolean, at)),
                        false => Err(Wrong::new(self.at(), "a `)` is missing")),
                    }
                }
                field => Ok((Node::Field(pointer(field).ok_or_else(|| no_field(at, field))?), Kind::Unknown, at)),
            },
            _ => Err(Wrong::new(at, missing)),
        }
    }

    fn list(&mut self) -> Parsed<Vec<Value>> {
        if !self.take(&What::OpenList) {
            return Err(Wrong::new(self.at(), "`in` is followed by a list: `[` … `]`"));
        }
        let mut items = Vec::new();
        loop {
            let at = self.at();
            if self.take(&What::CloseList) {
                return Ok(items);
            }
            match self.operand("a `]` is missing")? {
                (Node::Literal(value), ..) if items.len() < LIST_MAX => items.push(value),
                (Node::Literal(_), ..) => {
                    return Err(Wrong::new(at, format!("a list has at most {LIST_MAX} elements")));
                }
                _ => return Err(Wrong::new(at, "a list holds literals: a literal is wanted")),
            }
            if !self.take(&What::Comma) && !self.tokens.get(self.place).is_some_and(|it| it.what == What::CloseList) {
                return Err(Wrong::new(self.at(), "a `]` is missing"));
            }
        }
    }
}

/// `items.0.name` as a JSON Pointer.
pub(in super::super) fn pointer(field: &str) -> Option<String> {
    let parts: Vec<&str> = field.split('.').collect();
    let is_whole = parts.iter().all(|part| !part.is_empty());
    is_whole.then(|| parts.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect())
}

fn no_field(at: usize, field: &str) -> Wrong {
    Wrong::new(at, format!("{field:?} is not how a field is named: `amount`, `items.0.name` or `/items/0/name`"))
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Null => Kind::Null,
        Value::Boolean(_) => Kind::Boolean,
        Value::Integer(_) | Value::Number(_) => Kind::Number,
        Value::Text(_) => Kind::Text,
        Value::Binary(_) | Value::Structure(_) => Kind::Unknown,
    }
}

/// Whether a part can be true or false.
fn condition(kind: Kind, at: usize) -> Parsed<()> {
    match kind {
        Kind::Boolean | Kind::Unknown => Ok(()),
        kind => Err(Wrong::new(at, format!("a condition is wanted, this is {}", kind.name()))),
    }
}

fn comparable(comparison: Comparison, (left, at): (Kind, usize), (right, right_at): (Kind, usize)) -> Parsed<()> {
    let is_ordered = !matches!(comparison, Comparison::Equal | Comparison::Unequal);
    for (kind, at) in [(left, at), (right, right_at)] {
        if is_ordered && matches!(kind, Kind::Boolean | Kind::Null) {
            return Err(Wrong::new(at, format!("{} is not in an order with anything", kind.name())));
        }
    }
    let fits = left == right || [left, right].iter().any(|kind| matches!(kind, Kind::Unknown | Kind::Null));
    if fits {
        return Ok(());
    }
    Err(Wrong::new(right_at, format!("this compares {} with {}: never true", left.name(), right.name())))
}
