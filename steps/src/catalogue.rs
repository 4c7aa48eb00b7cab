//! The list of step kinds, as chains are checked against it.

use patchline_chains::{Catalogue, Param, ParamType, StepKind, catalogue::Objection, explain::Explanation};

use crate::{approve, attest, backup, delete, fix, gate, notify, replicate, scan, sign, trigger};

/// `scan`, `gate`, `backup`, `delete`, `fix`, `notify`, `replicate`, `approve`,
/// `trigger`, `attest`, `sign`. A kind stands here once it runs, and lists only the parameters that it obeys.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kinds;

impl Catalogue for Kinds {
    fn kinds(&self) -> &[&'static dyn StepKind] {
        &[
            &scan::Kind,
            &gate::Kind,
            &backup::Kind,
            &delete::Kind,
            &fix::Kind,
            &notify::step::Kind,
            &replicate::Kind,
            &approve::Kind,
            &trigger::Kind,
            &attest::Kind,
            &sign::Kind,
        ]
    }

    fn explanations(&self) -> &[Explanation] {
        crate::explain::ALL
    }
}

/// The step kinds that run.
pub fn catalogue() -> Kinds {
    Kinds
}

/// A parameter that may be left out.
pub(crate) fn optional(name: &'static str, ty: ParamType, summary: &'static str) -> Param {
    Param::optional(name, ty, summary)
}

/// A parameter that must stand.
pub(crate) fn required(name: &'static str, ty: ParamType, summary: &'static str) -> Param {
    Param::required(name, ty, summary)
}

/// A list of one type.
pub(crate) fn list(of: ParamType) -> ParamType {
    ParamType::List(Box::new(of))
}

/// A complaint at a path below `with`.
pub(crate) fn objection(
    path: &[&str],
    code: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Objection {
    Objection {
        path: path.iter().map(|key| (*key).to_owned()).collect(),
        code,
        message: message.into(),
        hint: Some(hint.into()),
    }
}

#[cfg(test)]
mod tests {
    use patchline_chains::catalogue::StepInPlan;
    use serde_json::{Value, json};

    use super::*;

    fn codes(kind: &str, with: &Value, before: Vec<(&str, &str, &Value)>) -> Vec<&'static str> {
        let catalogue = catalogue();
        let kind = catalogue.kind(kind).expect("a kind of ours");
        kind.check(&StepInPlan { name: "it", with, before }).into_iter().map(|o| o.code).collect()
    }

    #[test]
    fn every_kind_that_runs_is_listed_once() {
        let names: Vec<_> = catalogue().kinds().iter().map(|k| k.name()).collect();
        assert_eq!(
            names,
            [
                "scan",
                "gate",
                "backup",
                "delete",
                "fix",
                "notify",
                "replicate",
                "approve",
                "trigger",
                "attest",
                "sign"
            ]
        );
        for kind in catalogue().kinds() {
            let mut names: Vec<_> = kind.params().iter().map(|p| p.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), kind.params().len(), "{}", kind.name());
        }
    }

    #[test]
    fn a_delete_wants_a_backup_before_it() {
        let none = json!({});
        let to = json!({"to": "vault/x"});
        assert_eq!(codes("delete", &none, vec![]), ["delete-without-backup"]);
        assert!(codes("delete", &none, vec![("keep", "backup", &to)]).is_empty());
        assert!(codes("delete", &json!({"irreversible": true}), vec![]).is_empty());
        assert_eq!(codes("delete", &json!({"irreversible": false}), vec![]), ["delete-without-backup"]);
    }

    #[test]
    fn a_signature_wants_a_gate_and_an_attestation_a_scan() {
        let none = json!({});
        let key = json!({"key": "release"});
        assert_eq!(codes("sign", &key, vec![("scan", "scan", &none)]), ["sign-without-gate"]);
        assert!(codes("sign", &key, vec![("gate", "gate", &none)]).is_empty());
        assert_eq!(codes("attest", &none, vec![]), ["attest-without-scan"]);
        let scan = vec![("scan", "scan", &none)];
        assert_eq!(codes("attest", &json!({"what": []}), scan.clone()), ["attest-nothing"]);
        assert!(codes("attest", &json!({"what": ["vex"]}), scan.clone()).is_empty());
        assert_eq!(codes("fix", &json!({"sign_key": "release"}), scan.clone()), ["fix-signs-nothing"]);
        assert_eq!(codes("fix", &json!({"smoke": ["nginx", "-t"]}), scan.clone()), ["smoke-invalid"]);
        assert_eq!(codes("fix", &json!({"smoke_timeout": "2h"}), scan.clone()), ["smoke-invalid"]);
        assert!(codes("fix", &json!({"smoke": ["nginx -t", "curl {{image.tag}}"]}), scan).is_empty());
    }

    #[test]
    fn a_fixed_tag_must_be_able_to_differ() {
        let none = json!({});
        let scan = vec![("scan", "scan", &none)];
        for same in ["{{image.tag}}", " {{ image.origin.tag }} ", "{{{image.tag}}}", "{{image.origin.tag}}"] {
            assert_eq!(
                codes("fix", &json!({"tag": same}), scan.clone()),
                ["fixed-tag-not-different"],
                "{same}"
            );
        }
        for other in ["{{image.origin.tag}}_fixed", "fixed-{{image.tag}}", "stable"] {
            assert!(codes("fix", &json!({"tag": other}), scan.clone()).is_empty(), "{other}");
        }
        assert_eq!(codes("fix", &none, vec![]), ["fix-without-scan"]);
        assert_eq!(codes("fix", &json!({"max_rounds": 0}), scan.clone()), ["max-rounds-zero"]);
        assert_eq!(codes("fix", &json!({"select": {"fixable": false}}), scan.clone()), ["select-unfixable"]);
        assert_eq!(codes("fix", &json!({"select": {"severity": "< high"}}), scan), ["select-severity"]);
    }

    #[test]
    fn a_scan_believes_one_scanner_and_a_fix_ours_alone() {
        let with = |scanner: Value| json!({ "scanner": scanner });
        for fine in [json!("builtin"), json!("trivy"), json!(["builtin", "trivy"])] {
            assert!(codes("scan", &with(fine), vec![]).is_empty());
        }
        for wrong in [json!([]), json!(["a", "b", "a"]), json!(["a", "b", "c", "d", "e"])] {
            assert_eq!(codes("scan", &with(wrong), vec![]), ["scanners-invalid"]);
        }
        let fix = |scanner: Value| codes("fix", &json!({}), vec![("scan", "scan", &with(scanner))]);
        assert!(fix(json!(["builtin", "trivy"])).is_empty());
        assert_eq!(fix(json!("trivy")), ["fix-other-scanner"]);
        assert_eq!(fix(json!(["trivy", "builtin"])), ["fix-other-scanner"]);
    }

    #[test]
    fn a_gate_wants_a_scan_and_rules_that_say_something() {
        let none = json!({});
        let scan = vec![("scan", "scan", &none)];
        assert_eq!(codes("gate", &none, vec![]), ["gate-without-scan"]);
        assert_eq!(codes("gate", &json!({"deny": [{}]}), scan.clone()), ["empty-rule"]);
        assert_eq!(codes("gate", &json!({"warn": [{"message": "hm"}]}), scan.clone()), ["empty-rule"]);
        assert_eq!(
            codes("gate", &json!({"deny": [{"undetermined": "allow", "count": 1}]}), scan.clone()),
            ["undetermined-not-alone"]
        );
        assert!(codes("gate", &json!({"deny": [{"fixable": true, "count": 1}]}), scan).is_empty());
    }

    #[test]
    fn a_notification_wants_a_channel_and_a_backup_a_place_apart() {
        assert_eq!(codes("notify", &json!({"channels": []}), vec![]), ["notify-without-channels"]);
        assert!(codes("notify", &json!({"channels": ["a"]}), vec![]).is_empty());
        assert_eq!(codes("backup", &json!({"to": "{{image.repository}}"}), vec![]), ["backup-not-apart"]);
        assert!(codes("backup", &json!({"to": "vault/{{image.repository}}"}), vec![]).is_empty());
    }
}
