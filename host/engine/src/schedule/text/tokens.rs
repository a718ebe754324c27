//! Words of the text form, in lower case, with where they stand.

use super::{Parsed, Piece, Wrong};

/// A word, a number, a time, or a comma.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) at: usize,
}

/// What is left to read.
pub(super) struct Tokens {
    tokens: Vec<Token>,
    next: usize,
    end: usize,
}

/// The words of a piece, as they are written.
pub(super) fn words(piece: Piece<'_>) -> Vec<Piece<'_>> {
    piece.split(' ').map(Piece::trimmed).filter(|word| !word.text.is_empty()).collect()
}

impl Tokens {
    pub(super) fn of(piece: Piece<'_>) -> Parsed<Self> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut open = false;
        for (offset, c) in piece.text.chars().enumerate() {
            let at = piece.at + offset;
            if c.is_whitespace() {
                open = false;
            } else if c == ',' {
                tokens.push(Token { text: ",".to_owned(), at });
                open = false;
            } else if c.is_alphanumeric() || [':', '-', '.', '\''].contains(&c) {
                match tokens.last_mut().filter(|_| open) {
                    Some(last) => last.text.extend(c.to_lowercase()),
                    None => tokens.push(Token { text: c.to_lowercase().collect(), at }),
                }
                open = true;
            } else {
                return Err(Wrong::new(at, format!("{c:?} has no place here"), super::FORMS));
            }
        }
        Ok(Self { tokens, next: 0, end: piece.at + piece.text.chars().count() })
    }

    pub(super) fn peek(&self) -> &str {
        self.peek_at(0)
    }

    /// The token after `ahead` others; empty past the end.
    pub(super) fn peek_at(&self, ahead: usize) -> &str {
        self.tokens.get(self.next + ahead).map_or("", |token| &token.text)
    }

    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    /// Takes the next token if it is one of these words.
    pub(super) fn take(&mut self, words: &[&str]) -> bool {
        let is_there = words.contains(&self.peek());
        self.next += usize::from(is_there);
        is_there
    }

    /// Takes the next token if this makes something of it.
    pub(super) fn take_as<T>(&mut self, of: impl Fn(&str) -> Option<T>) -> Option<T> {
        let made = of(self.peek()).filter(|_| !self.is_empty());
        self.next += usize::from(made.is_some());
        made
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next >= self.tokens.len()
    }

    pub(super) fn position(&self) -> usize {
        self.next
    }

    pub(super) fn back_to(&mut self, position: usize) {
        self.next = position;
    }

    /// Where the next token stands.
    pub(super) fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |token| token.at)
    }

    /// What the next token is not.
    pub(super) fn wrong(&self, wanted: &str, hint: &str) -> Wrong {
        let message = match self.peek() {
            "" => format!("{wanted} is missing here"),
            word => format!("{:?} is not {wanted}", word.chars().take(30).collect::<String>()),
        };
        Wrong::new(self.at(), message, hint)
    }
}
