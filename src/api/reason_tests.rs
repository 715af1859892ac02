use super::*;
use crate::api::GateName;

#[test]
fn every_word_parses_to_its_reason_and_is_valid_in_a_condition() {
    for reason in Reason::NAMED {
        let word = reason.as_str();
        assert_eq!(Reason::from(word), *reason);
        assert!(word.len() <= 64 && word.chars().all(|c| c.is_ascii_alphanumeric()));
    }
    assert_eq!(Reason::from("StartError"), Reason::Reported("StartError".into()));
}

#[test]
fn every_gate_that_can_be_overridden_is_of_the_class_holding() {
    GateName::ALL.iter().for_each(|gate| assert_eq!(gate.reason().class(), Class::Holding, "{gate:?}"));
}
