//! The slow, readable reducer: a boxed tree, cloned at each step, straight from the definitions.
#![allow(dead_code)]

use lambda_gen_rs::sample::Random;
use lambda_gen_rs::term::Node;

#[derive(Clone, PartialEq, Debug)]
pub enum Tree {
    Var(u32),
    Lam(Box<Tree>),
    App(Box<Tree>, Box<Tree>),
}
use Tree::{App, Lam, Var};

impl Tree {
    pub fn shift(&self, by: i64, cutoff: u32) -> Tree {
        match self {
            Var(i) if *i < cutoff => Var(*i),
            Var(i) => Var((i64::from(*i) + by) as u32),
            Lam(body) => Lam(Box::new(body.shift(by, cutoff + 1))),
            App(f, a) => App(Box::new(f.shift(by, cutoff)), Box::new(a.shift(by, cutoff))),
        }
    }

    pub fn substitute(&self, variable: u32, by: &Tree) -> Tree {
        match self {
            Var(i) if *i == variable => by.clone(),
            Var(i) => Var(*i),
            Lam(body) => Lam(Box::new(body.substitute(variable + 1, &by.shift(1, 0)))),
            App(f, a) => App(Box::new(f.substitute(variable, by)), Box::new(a.substitute(variable, by))),
        }
    }

    /// (λ.b) a → ↓(b[0 := ↑a])
    pub fn beta(body: &Tree, argument: &Tree) -> Tree {
        body.substitute(0, &argument.shift(1, 0)).shift(-1, 0)
    }

    pub fn step(&self) -> Option<Tree> {
        match self {
            Var(_) => None,
            Lam(body) => body.step().map(|b| Lam(Box::new(b))),
            App(f, a) => match &**f {
                Lam(body) => Some(Tree::beta(body, a)),
                _ => f
                    .step()
                    .map(|f| App(Box::new(f), a.clone()))
                    .or_else(|| a.step().map(|a| App(f.clone(), Box::new(a)))),
            },
        }
    }

    /// All one-step reducts, from the left outermost one.
    pub fn reducts(&self) -> Vec<Tree> {
        match self {
            Var(_) => vec![],
            Lam(body) => body.reducts().into_iter().map(|b| Lam(Box::new(b))).collect(),
            App(f, a) => {
                let mut all = vec![];
                if let Lam(body) = &**f {
                    all.push(Tree::beta(body, a));
                }
                all.extend(f.reducts().into_iter().map(|f| App(Box::new(f), a.clone())));
                all.extend(a.reducts().into_iter().map(|a| App(f.clone(), Box::new(a))));
                all
            }
        }
    }

    pub fn size(&self) -> usize {
        match self {
            Var(_) => 1,
            Lam(body) => 1 + body.size(),
            App(f, a) => 1 + f.size() + a.size(),
        }
    }

    pub fn depth(&self) -> usize {
        match self {
            Var(_) => 0,
            Lam(body) => 1 + body.depth(),
            App(f, a) => 1 + f.depth().max(a.depth()),
        }
    }

    pub fn is_closed(&self, binders: u32) -> bool {
        match self {
            Var(i) => *i < binders,
            Lam(body) => body.is_closed(binders + 1),
            App(f, a) => f.is_closed(binders) && a.is_closed(binders),
        }
    }

    pub fn print(&self) -> String {
        let parenthesised = |t: &Tree| format!("({})", t.print());
        match self {
            Var(i @ 0..=9) => i.to_string(),
            Var(i @ 10..=35) => char::from(b'a' + (*i as u8 - 10)).to_string(),
            Var(i @ 36..=61) => char::from(b'A' + (*i as u8 - 36)).to_string(),
            Var(i) => format!("{{{i}}}"),
            Lam(body) => format!("\\.{}", body.print()),
            App(f, a) => {
                let function = if matches!(**f, Lam(_)) { parenthesised(f) } else { f.print() };
                let argument = if matches!(**a, Var(_)) { a.print() } else { parenthesised(a) };
                function + &argument
            }
        }
    }

    pub fn flat<N: Node>(&self, out: &mut Vec<N>) {
        match self {
            Var(i) => out.push(N::var(*i)),
            Lam(body) => {
                out.push(N::LAM);
                body.flat(out);
            }
            App(f, a) => {
                out.push(N::APP);
                f.flat(out);
                a.flat(out);
            }
        }
    }

    pub fn to_flat<N: Node>(&self) -> Vec<N> {
        let mut out = Vec::new();
        self.flat(&mut out);
        out
    }

    pub fn from_flat<N: Node>(nodes: &[N]) -> Tree {
        fn read<N: Node>(nodes: &mut std::slice::Iter<N>) -> Tree {
            match *nodes.next().expect("a whole term") {
                n if n == N::LAM => Lam(Box::new(read(nodes))),
                n if n == N::APP => App(Box::new(read(nodes)), Box::new(read(nodes))),
                n => Var(n.index()),
            }
        }
        read(&mut nodes.iter())
    }

    /// A random term of `size` nodes; indices reach two past the binders, so some variables are free.
    pub fn random(random: &mut Random, size: usize, binders: usize) -> Tree {
        match size {
            1 => Var(random.below(binders + 2) as u32),
            2 => Lam(Box::new(Tree::random(random, 1, binders + 1))),
            _ if random.below(3) == 0 => Lam(Box::new(Tree::random(random, size - 1, binders + 1))),
            _ => {
                let function = random.between(1, size - 2);
                App(
                    Box::new(Tree::random(random, function, binders)),
                    Box::new(Tree::random(random, size - 1 - function, binders)),
                )
            }
        }
    }
}
