//! The parser: exactly the printed notation, a position for every fault, no recursion.
use lambda_gen_rs::parse::parse;
use lambda_gen_rs::print::to_string;
use lambda_gen_rs::reduce::normal_form;
use lambda_gen_rs::term::depth;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused_with_a_position_or_is_what_is_printed(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let text = String::from_utf8_lossy(&bytes);
        match parse(&text) {
            Ok(nodes) => prop_assert_eq!(to_string(&nodes), text),
            Err(error) => prop_assert!(error.position.unwrap() <= text.chars().count()),
        }
    }

    #[test]
    fn text_of_the_right_symbols_is_refused_with_a_position_or_is_what_is_printed(text in r"(\\\.|[()01aZ{}2.\\]|\{62\}|\(\\\.){0,24}") {
        match parse(&text) {
            Ok(nodes) => prop_assert_eq!(to_string(&nodes), text),
            Err(error) => prop_assert!(error.position.unwrap() <= text.chars().count()),
        }
    }
}

#[test]
fn faults_have_their_position() {
    let faults = [
        ("", 0), (r"\.", 2), (r"\", 1), (r"\0", 1), ("()", 1), ("(0)", 0), ("(01)2", 0), ("((01)2)", 1),
        (r"(\.0)", 0), (r"\.(01)", 2), (r"0\.0", 1), ("0 1", 1), ("0λ1", 1), ("0(12", 1), ("01)", 2),
        ("{61}", 0), ("{062}", 1), ("{}", 1), ("{62", 3), ("0{4294967294}", 1), ("{99999999999999999999}", 0),
        (r"0((\.0)0)(1)", 9),
    ];
    for (text, position) in faults {
        assert_eq!(parse(text).unwrap_err().position, Some(position), "{text}");
    }
}

#[test]
fn every_index_has_one_symbol() {
    for (text, index) in [("0", 0), ("9", 9), ("a", 10), ("z", 35), ("A", 36), ("Z", 61), ("{62}", 62), ("{4294967293}", 4_294_967_293)] {
        assert_eq!(parse(text).unwrap(), [index]);
    }
}

#[test]
fn a_million_nested_parentheses_and_lambdas_are_ordinary() {
    const N: usize = 1_000_000;
    let lambdas = r"\.".repeat(N) + "0";
    let arguments = "0(".repeat(N) + "00" + &")".repeat(N);
    let both = "0".to_string() + &r"(\.0".repeat(N) + &")".repeat(N);
    for text in [lambdas, arguments, both] {
        let nodes = parse(&text).unwrap();
        assert!(depth(&nodes) >= N);
        assert!(to_string(&nodes) == text);
    }
    assert_eq!(parse(&"(".repeat(N)).unwrap_err().position, Some(N - 1));
    assert_eq!(parse(&")".repeat(N)).unwrap_err().position, Some(0));
    let identities = r"(\.0)(".repeat(3000) + r"\.0" + &")".repeat(3000);
    assert_eq!(normal_form(parse(&identities).unwrap(), 5000, usize::MAX).unwrap().1, 3000);
}
