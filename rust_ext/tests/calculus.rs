//! Known reductions: Church arithmetic, SKI, and terms without normal form.
use lambda_gen_rs::parse::parse;
use lambda_gen_rs::print::to_string;
use lambda_gen_rs::reduce::{normal_form, reduces_to};

const PLUS: &str = r"\.\.\.\.31(210)";
const TIMES: &str = r"\.\.\.2(10)";
const S: &str = r"\.\.\.20(10)";
const K: &str = r"\.\.1";
const OMEGA: &str = r"(\.00)(\.00)";

fn church(n: usize) -> String {
    match n {
        0 => r"\.\.0".into(),
        _ => r"\.\.".to_string() + &"1(".repeat(n - 1) + "10" + &")".repeat(n - 1),
    }
}

fn applied(operands: &[&str]) -> String {
    operands.iter().map(|o| format!("({o})")).collect()
}

fn normal(text: &str) -> String {
    to_string(&normal_form(parse(text).unwrap(), 10_000, 100_000).unwrap().0)
}

#[test]
fn church_numerals_add_multiply_and_raise() {
    for (a, b) in [(0, 0), (0, 3), (2, 3), (4, 5)] {
        let (x, y) = (church(a), church(b));
        assert_eq!(normal(&applied(&[PLUS, &x, &y])), church(a + b));
        assert_eq!(normal(&applied(&[TIMES, &x, &y])), church(a * b));
        if a > 0 && b > 0 {
            assert_eq!(normal(&applied(&[&y, &x])), church(a.pow(b as u32)));
        }
    }
}

#[test]
fn skk_is_the_identity_and_k_forgets() {
    assert_eq!(normal(&applied(&[S, K, K])), r"\.0");
    assert_eq!(normal(&applied(&[K, S, OMEGA])), S);
}

#[test]
fn omega_reduces_to_itself_and_has_no_normal_form() {
    let omega = parse(OMEGA).unwrap();
    assert_eq!(reduces_to(omega.clone(), &omega, 5, 100), Some(1));
    let error = normal_form(omega, 50, 100).unwrap_err();
    assert!(error.position.is_none() && error.message.contains("max_steps=50"));
}

#[test]
fn a_growing_term_is_stopped_before_it_fills_memory() {
    let grows = parse(r"(\.000)(\.000)").unwrap();
    assert!(normal_form(grows, usize::MAX, 1000).unwrap_err().message.contains("max_size=1000"));
    // 2↑↑5 by doubling: each step at most squares the size; the limit is met, not the memory.
    let tower = applied(&[&church(2), &church(2), &church(2), &church(2), &church(2)]);
    assert!(normal_form(parse(&tower).unwrap(), usize::MAX, 50_000).is_err());
}
