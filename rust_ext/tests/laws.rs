//! The fast reducer against the slow boxed one, on random terms.
mod boxed;

use boxed::Tree;
use lambda_gen_rs::contract::Reduction;
use lambda_gen_rs::measure::{Measured, Printer};
use lambda_gen_rs::mistakes::wrong_steps;
use lambda_gen_rs::parse::parse;
use lambda_gen_rs::print::{to_string, to_string_with_span};
use lambda_gen_rs::reduce::{contract_checked, contracted_size, next_redex, parts, redexes};
use lambda_gen_rs::sample::Random;
use lambda_gen_rs::term::{depth, depth_of, is_closed, subterm_end, Node};

const TERMS: usize = 200_000;

fn random_tree(random: &mut Random) -> Tree {
    let size = random.between(1, 60);
    Tree::random(random, size, 0)
}

#[test]
fn every_step_equals_the_boxed_reducers_in_bytes_and_words() {
    let mut random = Random::new(1, 0);
    let (mut bytes, mut words) = (Reduction::<u8>::default(), Reduction::<u32>::default());
    let mut steps = 0;
    for _ in 0..TERMS {
        let mut tree = random_tree(&mut random);
        words.start(&tree.to_flat::<u32>());
        bytes.start(&tree.to_flat::<u8>());
        let mut from = 0;
        for _ in 0..8 {
            let at = next_redex(words.term(), 0);
            assert_eq!([words.next_redex(from), bytes.next_redex(from)], [at, at]);
            let next = tree.step();
            assert_eq!(at.is_some(), next.is_some(), "{}", tree.print());
            let (Some(at), Some(next)) = (at, next) else { break };
            assert!(words.contract(at) && bytes.contract(at));
            assert_eq!(words.next(), next.to_flat::<u32>(), "{}", tree.print());
            assert_eq!(bytes.next(), next.to_flat::<u8>(), "{}", tree.print());
            assert_eq!(contracted_size(words.term(), at), words.next().len());
            let bound = [&[u32::LAM, u32::LAM], words.next()].concat();
            assert!(is_closed(&bound), "{} got a new free variable", tree.print());
            let (text, (start, end)) = to_string_with_span(words.term(), at);
            assert_eq!(parse(&text[start..end]).unwrap(), words.term()[at..subterm_end(words.term(), at)]);
            words.advance();
            bytes.advance();
            from = at.saturating_sub(1);
            steps += 1;
            if next.size() > 200 {
                break;
            }
            tree = next;
        }
    }
    assert!(steps > TERMS, "only {steps} steps were compared");
}

#[test]
fn reducts_are_the_boxed_reducers_in_the_same_order() {
    let mut random = Random::new(2, 0);
    for _ in 0..20_000 {
        let tree = random_tree(&mut random);
        let flat: Vec<u32> = tree.to_flat();
        let ours: Vec<_> = redexes(&flat).iter().map(|&at| contract_checked(&flat, at).unwrap()).collect();
        let theirs: Vec<_> = tree.reducts().iter().map(Tree::to_flat::<u32>).collect();
        assert_eq!(ours, theirs, "{}", tree.print());
    }
}

#[test]
fn redexes_are_contracted_in_any_order_and_more_than_once() {
    let mut random = Random::new(7, 0);
    let mut reduction = Reduction::<u8>::default();
    for _ in 0..20_000 {
        let mut tree = random_tree(&mut random);
        reduction.start(&tree.to_flat::<u8>());
        for _ in 0..6 {
            let (found, reducts) = (redexes(reduction.term()), tree.reducts());
            if found.is_empty() {
                break;
            }
            let choices = [0; 2].map(|_| random.below(found.len()));
            for choice in choices {
                assert!(reduction.contract(found[choice]));
                assert_eq!(reduction.next(), reducts[choice].to_flat::<u8>(), "{} at {}", tree.print(), found[choice]);
            }
            tree = reducts[choices[1]].clone();
            if tree.size() > 120 {
                break;
            }
            reduction.advance();
        }
    }
}

/// Ends and redexes are looked for in blocks: terms of all sizes, from all places, with and without room behind.
#[test]
fn ends_and_redexes_are_those_found_node_by_node() {
    fn check<N: Node>(tree: &Tree) {
        let mut nodes: Vec<N> = tree.to_flat();
        let size = nodes.len();
        let mut ends = vec![0; size + 1];
        for at in (0..size).rev() {
            ends[at] = match nodes[at] {
                node if node == N::APP => ends[ends[at + 1]],
                node if node == N::LAM => ends[at + 1],
                _ => at + 1,
            };
        }
        let pairs: Vec<usize> = (1..size).filter(|&i| nodes[i - 1] == N::APP && nodes[i] == N::LAM).map(|i| i - 1).collect();
        assert_eq!(redexes(&nodes), pairs);
        for &at in &pairs {
            assert_eq!(parts(&nodes, at), (at + 2..ends[at + 1], ends[at + 1]..ends[at]));
        }
        for _ in 0..2 {
            (0..size).for_each(|at| assert_eq!(subterm_end(&nodes, at), ends[at]));
            nodes.resize(size + 40, N::APP);
        }
    }
    let mut random = Random::new(8, 0);
    for size in (1..200).cycle().take(5_000) {
        let tree = Tree::random(&mut random, size, 0);
        check::<u8>(&tree);
        check::<u32>(&tree);
    }
    let deep = (0..500).fold(Tree::Var(0), |tree, _| Tree::App(Box::new(Tree::Lam(Box::new(tree))), Box::new(Tree::Var(1))));
    check::<u8>(&deep);
    check::<u32>(&deep);
}

#[test]
fn printing_measuring_and_parsing_agree_with_the_tree() {
    let mut random = Random::new(3, 0);
    for _ in 0..50_000 {
        let tree = random_tree(&mut random);
        let flat: Vec<u32> = tree.to_flat();
        let text = tree.print();
        assert_eq!(to_string(&flat), text);
        assert_eq!(parse(&text).unwrap(), flat);
        assert_eq!(depth(&flat), tree.depth());
        assert_eq!(is_closed(&flat), tree.is_closed(0));
    }
}

#[test]
fn a_redexs_span_is_its_text_without_parentheses() {
    let mut random = Random::new(4, 0);
    for _ in 0..20_000 {
        let tree = random_tree(&mut random);
        let flat: Vec<u32> = tree.to_flat();
        for at in redexes(&flat) {
            let (text, (start, end)) = to_string_with_span(&flat, at);
            let redex = parse(&text[start..end]).expect("a span holds a term");
            assert_eq!(redex[..], flat[at..at + redex.len()], "{text}");
        }
    }
}

#[test]
fn the_one_pass_printer_equals_the_readable_one() {
    let mut random = Random::new(6, 0);
    let mut printer = Printer::default();
    for _ in 0..100_000 {
        let flat: Vec<u8> = random_tree(&mut random).to_flat();
        for redex in redexes(&flat) {
            printer.print(&flat, Some(redex as u32));
            let (text, span) = to_string_with_span(&flat, redex);
            assert_eq!(printer.text(), text);
            assert_eq!(printer.measured, Measured { span, depth: depth(&flat), redex_depth: depth_of(&flat, redex) }, "{text}");
        }
    }
    let wide: Vec<u8> = [vec![0xFF; 250], vec![0xFE, 249, 62]].concat();
    printer.print(&wide, None);
    assert_eq!(printer.text(), r"\.".repeat(250) + "{249}{62}");
}

#[test]
fn wrong_steps_are_wrong_well_formed_and_keep_a_term_closed() {
    let mut random = Random::new(5, 0);
    let mut seen = std::collections::HashMap::new();
    for _ in 0..50_000 {
        let tree = random_tree(&mut random);
        let flat: Vec<u32> = tree.to_flat();
        let reducts: Vec<_> = tree.reducts().iter().map(Tree::to_flat::<u32>).collect();
        for (kind, wrong) in wrong_steps(&flat).unwrap() {
            assert_eq!(parse(&to_string(&wrong)).unwrap(), wrong, "{kind} of {}", tree.print());
            assert_ne!(wrong, reducts[0], "{kind} of {}", tree.print());
            assert_eq!(reducts.contains(&wrong), kind == "wrong_redex", "{kind} of {}", tree.print());
            assert!(!is_closed(&flat) || is_closed(&wrong), "{kind} of {}", tree.print());
            *seen.entry(kind).or_insert(0) += 1;
        }
    }
    assert!(["wrong_index", "lost_copy", "wrong_redex"].iter().all(|kind| seen[kind] > 1000), "{seen:?}");
}

#[test]
fn a_byte_that_cannot_hold_an_index_is_reported() {
    // (λ. λ^250 . 250) (index 100): the free variable would become 350.
    let mut nodes = vec![0xFEu8, 0xFF];
    nodes.extend([0xFF; 250]);
    nodes.extend([250, 100]);
    let contracts = |nodes: &[u8]| {
        let mut reduction = Reduction::default();
        reduction.start(nodes);
        reduction.contract(0)
    };
    assert!(!contracts(&nodes));
    // It becomes 253, the largest: index 3. And without free variables nothing grows.
    assert!(contracts(&[&nodes[..253], &[3]].concat()));
    assert!(!contracts(&[&nodes[..253], &[4]].concat()));
    assert!(contracts(&[&nodes[..253], &[0xFF, 0]].concat()));
}
