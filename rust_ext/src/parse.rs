//! Text → flat term. Accepts exactly what `print` writes, so that a term has one spelling and texts
//! can be compared as strings; redundant parentheses are refused with their position.
//!
//! No recursion: the open parentheses stand on a stack, and an application's nodes are put before its
//! operands in a second pass, when the number of operands is known.

use crate::error::{LambdaError, Result};
use crate::term::Node;

/// A sequence of operands: the whole text, the inside of a parenthesis, or an abstraction's body.
struct Group {
    operands: usize,
    /// Where the first operand begins, if it is a parenthesis.
    first_parenthesis: Option<usize>,
    /// The entry in `items` that becomes `operands − 1` applications.
    item: usize,
}

enum Item {
    Group(usize),
    Lambda,
    Variable(u32),
}

struct Parser {
    items: Vec<Item>,
    groups: Vec<Group>,
    /// Positions of `(` that wait for `)`, each with the number of groups open outside it.
    parentheses: Vec<(usize, usize)>,
}

/// The term that `text` spells. Fails with the character position of the first fault.
pub fn parse(text: &str) -> Result<Vec<u32>> {
    let mut parser = Parser { items: Vec::new(), groups: Vec::new(), parentheses: Vec::new() };
    parser.open_group();
    // Everything before the first fault is ASCII, so bytes count characters.
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        at = match bytes[at] {
            b'(' => parser.open_parenthesis(at),
            b')' => parser.close_parenthesis(at)?,
            b'\\' => parser.lambda(bytes, at)?,
            b'{' => {
                let (index, next) = braced_index(bytes, at)?;
                parser.variable(index);
                next
            }
            byte => {
                let index = symbol_index(byte).ok_or_else(|| unexpected(text, at))?;
                parser.variable(index);
                at + 1
            }
        };
    }
    if let Some(&(open, _)) = parser.parentheses.last() {
        return Err(LambdaError::at(open, "this parenthesis is never closed. Each \"(\" needs its \")\"; add it, or take the \"(\" away."));
    }
    parser.close_groups(0, at)?;
    Ok(parser.flatten())
}

impl Parser {
    fn open_group(&mut self) {
        let item = self.items.len();
        self.items.push(Item::Group(0));
        self.groups.push(Group { operands: 0, first_parenthesis: None, item });
    }

    fn group(&mut self) -> &mut Group {
        self.groups.last_mut().expect("the whole text's group stays open")
    }

    fn variable(&mut self, index: u32) {
        self.group().operands += 1;
        self.items.push(Item::Variable(index));
    }

    fn open_parenthesis(&mut self, at: usize) -> usize {
        let outside = self.groups.len();
        let group = self.group();
        if group.operands == 0 {
            group.first_parenthesis = Some(at);
        }
        group.operands += 1;
        self.parentheses.push((at, outside));
        self.open_group();
        at + 1
    }

    fn lambda(&mut self, bytes: &[u8], at: usize) -> Result<usize> {
        if bytes.get(at + 1) != Some(&b'.') {
            return Err(LambdaError::at(at + 1, "\"\\\" without \".\". An abstraction is written \\. and its body; put a \".\" here."));
        }
        let group = self.group();
        if group.operands > 0 {
            return Err(LambdaError::at(at, "an abstraction as argument without parentheses. Its body would swallow what follows; write (\\.…)."));
        }
        group.operands = 1;
        self.items.push(Item::Lambda);
        self.open_group();
        Ok(at + 2)
    }

    fn close_parenthesis(&mut self, at: usize) -> Result<usize> {
        let Some((open, outside)) = self.parentheses.pop() else {
            return Err(LambdaError::at(at, "\")\" without \"(\". Parentheses come in pairs; take it away, or open it before."));
        };
        let is_lambda = self.groups.len() > outside + 1;
        self.close_groups(outside + 1, at)?;
        let inside = self.group();
        let operands = inside.operands;
        if operands == 1 && !is_lambda {
            let what = if inside.first_parenthesis.is_some() { "a parenthesis" } else { "a variable" };
            return Err(redundant(open, &format!("{what} alone")));
        }
        self.close_groups(outside, at)?;
        if !is_lambda && self.group().operands == 1 {
            return Err(redundant(open, "an application that comes first (application associates to the left)"));
        }
        Ok(at + 1)
    }

    /// Closes the innermost groups until `keep` are open.
    fn close_groups(&mut self, keep: usize, at: usize) -> Result<()> {
        while self.groups.len() > keep {
            let group = self.groups.pop().expect("more than `keep` groups are open");
            if group.operands == 0 {
                return Err(LambdaError::at(at, "a term is missing. An empty text, an empty parenthesis or an abstraction without a body is no term; write a variable, \\.… or (…) here."));
            }
            if let (1, Some(open)) = (group.operands, group.first_parenthesis) {
                return Err(redundant(open, "a term that stands alone"));
            }
            self.items[group.item] = Item::Group(group.operands - 1);
        }
        Ok(())
    }

    fn flatten(self) -> Vec<u32> {
        let mut nodes = Vec::with_capacity(self.items.len());
        for item in self.items {
            match item {
                Item::Group(applications) => nodes.extend(std::iter::repeat_n(u32::APP, applications)),
                Item::Lambda => nodes.push(u32::LAM),
                Item::Variable(index) => nodes.push(u32::var(index)),
            }
        }
        nodes
    }
}

fn symbol_index(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 10),
        b'A'..=b'Z' => Some(u32::from(byte - b'A') + 36),
        _ => None,
    }
}

/// The index in `{…}` at `open`, and the position after it.
fn braced_index(bytes: &[u8], open: usize) -> Result<(u32, usize)> {
    let digits = bytes[open + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let close = open + 1 + digits;
    if digits == 0 || bytes.get(close) != Some(&b'}') {
        return Err(LambdaError::at(close, "no index in braces. From 62 on a variable is written {62}; put digits and \"}\" here."));
    }
    if bytes[open + 1] == b'0' {
        return Err(LambdaError::at(open + 1, "an index that begins with 0. Each variable has one spelling: 0-9, a-z, A-Z up to 61, then {62}; write it so."));
    }
    let text = std::str::from_utf8(&bytes[open + 1..close]).expect("digits are UTF-8");
    match text.parse::<u32>() {
        Ok(index) if index < 62 => Err(LambdaError::at(open, format!("{{{index}}} is below 62. Each variable has one spelling: 0-9, a-z, A-Z up to 61; write its symbol."))),
        Ok(index) if index <= u32::MAX_INDEX => Ok((index, close + 1)),
        _ => Err(LambdaError::at(open, format!("an index above {}. It does not fit a node; use a smaller one.", u32::MAX_INDEX))),
    }
}

fn redundant(open: usize, what: &str) -> LambdaError {
    LambdaError::at(open, format!("redundant parentheses around {what}. Each term has one spelling, so that texts can be compared; take them away."))
}

fn unexpected(text: &str, at: usize) -> LambdaError {
    let met = text[at..].chars().next().expect("`at` lies inside the text");
    let advice = match met {
        'λ' => "Write an abstraction as \\. and its body.",
        c if c.is_whitespace() => "The notation has no spaces; take it away.",
        _ => "A term holds \\. ( ) and variables: 0-9, a-z, A-Z, {62}…; take it away.",
    };
    LambdaError::at(at, format!("{met:?} is no symbol of the notation. {advice}"))
}
