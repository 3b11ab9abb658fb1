//! Nanoseconds a leftmost-outermost step: flat bytes, the `lambda_calculus` crate in place, and a boxed tree
//! that is cloned at each step. The same roots and the same numbers of steps for all.
use lambda_calculus::reduction::Order;
use lambda_calculus::term::{abs, app, Term, Term::Var};
use lambda_gen_rs::plan::Roots;
use lambda_gen_rs::profile::Profile;
use lambda_gen_rs::contract::Reduction;
use lambda_gen_rs::term::Node;
use lambda_gen_rs::trace::{Chunk, Limits};
use std::hint::black_box;
use std::time::Instant;

#[path = "../tests/boxed/mod.rs"]
mod boxed;
use boxed::Tree;

/// The crate counts indices from 1.
fn to_crate(tree: &Tree) -> Term {
    match tree {
        Tree::Var(i) => Var(*i as usize + 1),
        Tree::Lam(body) => abs(to_crate(body)),
        Tree::App(f, a) => app(to_crate(f), to_crate(a)),
    }
}

/// Contracts the leftmost-outermost redex where it stands.
fn step(tree: &mut Tree) -> bool {
    match tree {
        Tree::Var(_) => false,
        Tree::Lam(body) => step(body),
        Tree::App(f, a) => match &mut **f {
            Tree::Lam(body) => {
                paste(body, a, 0);
                *tree = std::mem::replace(body, Tree::Var(0));
                true
            }
            _ => step(f) || step(a),
        },
    }
}

fn paste(tree: &mut Tree, argument: &Tree, binders: u32) {
    match tree {
        Tree::Var(i) if *i == binders => *tree = argument.shift(i64::from(binders), 0),
        Tree::Var(i) if *i > binders => *i -= 1,
        Tree::Var(_) => {}
        Tree::Lam(body) => paste(body, argument, binders + 1),
        Tree::App(f, a) => {
            paste(f, argument, binders);
            paste(a, argument, binders);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let roots = Roots::new(&Profile::named("covering")?)?;
    let limits = Limits { size_limit: 250, max_steps: 1000 };
    let mut work: Vec<(Vec<u8>, usize)> = Vec::new();
    for chunk in (0..10).map(|number| Chunk::generate(1, number, &roots, limits)) {
        for trace in &chunk.traces {
            let steps = &chunk.steps[trace.steps.clone()];
            work.push((chunk.nodes(&steps[0]).to_vec(), steps[steps.len() - 1].step_k as usize));
        }
    }
    work.retain(|&(_, steps)| steps > 0);
    let steps: usize = work.iter().map(|(_, steps)| steps).sum();
    let trees: Vec<Tree> = work.iter().map(|(nodes, _)| Tree::from_flat(nodes)).collect();
    let terms: Vec<Term> = trees.iter().map(to_crate).collect();
    let per_step = |clock: Instant| clock.elapsed().as_nanos() as f64 / steps as f64;

    let mut best = [f64::INFINITY; 5];
    for _ in 0..3 {
        let mut reduction = Reduction::default();
        let mut done = 0;
        let clock = Instant::now();
        for (nodes, steps) in &work {
            reduction.start(nodes);
            let mut from = 0;
            for _ in 0..*steps {
                let at = reduction.next_redex(from).expect("the trace is so long");
                assert!(reduction.contract(at));
                reduction.advance();
                from = at.saturating_sub(1);
                done += 1;
            }
            black_box(reduction.term());
        }
        best[0] = best[0].min(per_step(clock));
        assert_eq!(done, steps);

        let mut copies = terms.clone();
        let mut done = 0;
        let clock = Instant::now();
        copies.iter_mut().zip(&work).for_each(|(term, (_, steps))| done += term.reduce(Order::NOR, *steps));
        best[1] = best[1].min(per_step(clock));
        assert_eq!(done, steps, "the crate takes other steps");
        black_box(copies);

        let mut copies = terms.clone();
        let mut done = 0;
        let clock = Instant::now();
        for (term, (_, steps)) in copies.iter_mut().zip(&work) {
            (0..*steps).for_each(|_| done += term.reduce(Order::NOR, 1));
        }
        best[3] = best[3].min(per_step(clock));
        assert_eq!(done, steps);
        black_box(copies);

        let clock = Instant::now();
        for (term, (_, steps)) in terms.iter().zip(&work) {
            let mut term = term.clone();
            for _ in 0..*steps {
                let mut next = term.clone();
                next.reduce(Order::NOR, 1);
                term = next;
            }
            black_box(term.max_depth());
        }
        best[4] = best[4].min(per_step(clock));

        let clock = Instant::now();
        for (tree, (_, steps)) in trees.iter().zip(&work) {
            let mut tree = tree.clone();
            for _ in 0..*steps {
                let mut next = tree.clone();
                assert!(step(&mut next));
                tree = next;
            }
            black_box(tree.to_flat::<u8>() == [u8::LAM]);
        }
        best[2] = best[2].min(per_step(clock));
    }
    println!("{} roots, {steps} steps", work.len());
    println!("flat bytes: {:.0} ns a step", best[0]);
    println!("lambda_calculus, each term kept (as traces need and flat bytes do): {:.0} ns, {:.1} times", best[4], best[4] / best[0]);
    println!("lambda_calculus, in place, a step a call: {:.0} ns, {:.1} times", best[3], best[3] / best[0]);
    println!("lambda_calculus, in place, all in one call: {:.0} ns, {:.1} times (no term in between is seen)", best[1], best[1] / best[0]);
    println!("boxed, cloned at each step: {:.0} ns, {:.1} times", best[2], best[2] / best[0]);
    Ok(())
}
