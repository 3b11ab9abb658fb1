//! Flat term → text: `\.` body, application by juxtaposition, parentheses only where they are needed.

use crate::term::Node;

pub const SYMBOLS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The whole term or an abstraction's body.
    Alone,
    Function,
    Argument,
}

enum Todo {
    Subterm(Place),
    /// The application at this node, begun at this character, is written.
    EndApplication(usize, usize),
    Close,
}

/// Appends the term's notation to `text`; `on_application(node, start, end)` gets each application's span
/// in `text`, without parentheses around it, in the order in which they end.
pub fn print<N: Node>(nodes: &[N], text: &mut Vec<u8>, mut on_application: impl FnMut(usize, usize, usize)) {
    let mut todo = vec![Todo::Subterm(Place::Alone)];
    let mut at = 0;
    while let Some(next) = todo.pop() {
        let place = match next {
            Todo::Subterm(place) => place,
            Todo::EndApplication(node, start) => {
                on_application(node, start, text.len());
                continue;
            }
            Todo::Close => {
                text.push(b')');
                continue;
            }
        };
        let node = nodes[at];
        if node == N::LAM {
            if place != Place::Alone {
                text.push(b'(');
                todo.push(Todo::Close);
            }
            text.extend_from_slice(b"\\.");
            todo.push(Todo::Subterm(Place::Alone));
        } else if node == N::APP {
            if place == Place::Argument {
                text.push(b'(');
                todo.push(Todo::Close);
            }
            todo.push(Todo::EndApplication(at, text.len()));
            todo.push(Todo::Subterm(Place::Argument));
            todo.push(Todo::Subterm(Place::Function));
        } else {
            print_variable(node.index(), text);
        }
        at += 1;
    }
}

fn print_variable(index: u32, text: &mut Vec<u8>) {
    match SYMBOLS.get(index as usize) {
        Some(&symbol) => text.push(symbol),
        None => text.extend_from_slice(format!("{{{index}}}").as_bytes()),
    }
}

pub fn to_string<N: Node>(nodes: &[N]) -> String {
    let mut text = Vec::with_capacity(nodes.len() * 2);
    print(nodes, &mut text, |_, _, _| ());
    String::from_utf8(text).expect("the notation is ASCII")
}

/// The term's text and the character span of the application at `node`.
pub fn to_string_with_span<N: Node>(nodes: &[N], node: usize) -> (String, (usize, usize)) {
    let mut text = Vec::with_capacity(nodes.len() * 2);
    let mut span = (0, 0);
    print(nodes, &mut text, |at, start, end| {
        if at == node {
            span = (start, end);
        }
    });
    (String::from_utf8(text).expect("the notation is ASCII"), span)
}
