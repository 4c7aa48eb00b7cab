//! What the codes mean that the step kinds object with, for `patchline chain explain`.

use patchline_chains::explain::{Explanation, Words};

const fn explanation(
    code: &'static str,
    meaning: Words,
    reason: Words,
    erroneous: &'static str,
    corrected: &'static str,
) -> Explanation {
    Explanation { code, meaning, erroneous, corrected, reason }
}

const fn words(en: &'static str, zh: &'static str) -> Words {
    Words { en, zh }
}

/// In the order of the kinds.
pub(crate) const ALL: &[Explanation] = &[
    explanation(
        "scanners-invalid",
        words(
            "A scan names no scanner, one twice, or too many.",
            "扫描没有指定扫描器、重复指定了同一个，或指定得太多。",
        ),
        words(
            "The first that is named is believed, and each other one is held against it, which takes its time.",
            "以第一个扫描器为准，其余的逐一与它对比，每个都要花时间。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, with: {scanner: [builtin, builtin]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, with: {scanner: [builtin, trivy]}}\n",
    ),
    explanation(
        "gate-without-scan",
        words("A gate has no scan that surely ended before it.", "门禁之前没有必定已结束的扫描。"),
        words(
            "Its rules look at what a scan found; without one, nothing could be held against the image.",
            "门禁的规则看的是扫描结果；没有扫描就没有依据。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, with: {deny: [{severity: critical}]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{severity: critical}]}}\n",
    ),
    explanation(
        "empty-rule",
        words("A rule of a gate has no condition.", "门禁的一条规则没有条件。"),
        words(
            "It would hold always or never, and either is hardly what was meant.",
            "它要么总是成立，要么永不成立，多半都不是本意。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{message: \"too many holes\"}]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{count: 20, message: \"too many holes\"}]}}\n",
    ),
    explanation(
        "undetermined-not-alone",
        words(
            "`undetermined` stands in one rule with other conditions. It says what an image gets of which not everything could be learnt, and stands alone.",
            "`undetermined` 与其他条件写在同一条规则里。它说明信息不全的镜像如何处理，必须单独成为一条规则。",
        ),
        words(
            "The keys of a rule must all hold at once; but what could not be learnt cannot be counted.",
            "一条规则里的键要同时成立，而无法得知的内容也无法计数。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{undetermined: warn, severity: critical}]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{undetermined: warn}, {severity: critical}]}}\n",
    ),
    explanation(
        "unknown-license",
        words(
            "A rule names a licence that is not in SPDX's list, so no package could ever have it.",
            "规则写了一个不在 SPDX 列表中的许可证，任何软件包都不可能匹配。",
        ),
        words(
            "Packages bear SPDX identifiers: of `AGPL-3.0` there are `AGPL-3.0-only` and `AGPL-3.0-or-later`, and a glob means both.",
            "软件包的许可证以 SPDX 标识表示：`AGPL-3.0` 分为 `AGPL-3.0-only` 与 `AGPL-3.0-or-later`，通配符可同时匹配两者。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{license: {forbidden: [\"AGPL-3.0\"]}}]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{license: {forbidden: [\"AGPL-3.0-*\"]}}]}}\n",
    ),
    explanation(
        "base-pattern",
        words(
            "A pattern of `base_image` names no repositories of a registry.",
            "`base_image` 的模式没有指明某个镜像仓库服务中的仓库。",
        ),
        words(
            "The registry is named as the configuration names it, without wildcards; behind the `/` stands a glob over repositories. All tags are looked at, so none is named.",
            "`/` 之前是配置中的仓库服务名，不能用通配符；之后是仓库的通配模式。所有标签都会比对，因此不写标签。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{base_image: {not_in: [\"main/base/debian:12\"]}}]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{base_image: {not_in: [\"main/base/**\"]}}]}}\n",
    ),
    explanation(
        "backup-not-apart",
        words("A backup would go into the image's own repository.", "备份会写进镜像自己的仓库。"),
        words(
            "Whoever deletes the repository, or cleans it up, deletes the backup with it.",
            "删除或清理该仓库时，备份会一起消失。",
        ),
        "version: 1\nchain: web\nsteps:\n  keep: {uses: backup, with: {to: \"{{image.repository}}\"}}\n",
        "version: 1\nchain: web\nsteps:\n  keep: {uses: backup, with: {to: \"vault/{{image.repository}}\"}}\n",
    ),
    explanation(
        "delete-without-backup",
        words(
            "No backup surely stands before a delete, and the delete does not say `irreversible: true`.",
            "删除之前没有必定完成的备份，也没有写明 `irreversible: true`。",
        ),
        words(
            "What is deleted without a verified copy cannot be brought back.",
            "没有经过验证的副本，删掉的东西就找不回来。",
        ),
        "version: 1\nchain: web\nsteps:\n  keep: {uses: backup, with: {to: \"vault/{{image.repository}}\"}}\n  drop: {uses: delete}\n",
        "version: 1\nchain: web\nsteps:\n  keep: {uses: backup, with: {to: \"vault/{{image.repository}}\"}}\n  drop: {uses: delete, needs: [keep]}\n",
    ),
    explanation(
        "fix-without-scan",
        words("A fix has no scan that surely ended before it.", "修复之前没有必定已结束的扫描。"),
        words("It mends what the scan has found.", "修复的对象就是扫描发现的问题。"),
        "version: 1\nchain: web\nsteps:\n  fix: {uses: fix}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan]}\n",
    ),
    explanation(
        "fix-other-scanner",
        words("A fix follows a scan that believes another scanner.", "修复之前的扫描以其他扫描器为准。"),
        words(
            "A fix is planned and proved by one revision of our own advisories, which that scan did not use.",
            "修复的计划与验证都依据本产品同一版本的漏洞通告，而那次扫描没有用它。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, with: {scanner: trivy}}\n  fix: {uses: fix, needs: [scan]}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, with: {scanner: [builtin, trivy]}}\n  fix: {uses: fix, needs: [scan]}\n",
    ),
    explanation(
        "fix-signs-nothing",
        words(
            "A fix names a signing key, and nothing to attach.",
            "修复指定了签名密钥，却没有要附加的内容。",
        ),
        words(
            "The key signs what is attached to the fixed image. The image itself is signed by a `sign` step, in its own run, once its gate has passed.",
            "该密钥用于签署附加到修复后镜像上的内容。镜像自身由其后续运行中的 `sign` 步骤在门禁通过后签名。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {sign_key: release}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {attest: [sbom, vex, provenance], sign_key: release}}\n",
    ),
    explanation(
        "fixed-tag-not-different",
        words("The tag of a fixed image is the tag of its source.", "修复后镜像的标签与原镜像相同。"),
        words(
            "A fix never overwrites what it was made from: whoever has deployed that tag must decide to take the other.",
            "修复从不覆盖原镜像：是否换用修复后的镜像，由部署者决定。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {tag: \"{{image.tag}}\"}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {tag: \"{{image.origin.tag}}_fixed\"}}\n",
    ),
    explanation(
        "max-rounds-zero",
        words("A fix may make no round at all.", "修复的轮数上限为零。"),
        words("It would do nothing, and look as if it had tried.", "它什么都不做，看上去却像尝试过。"),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {max_rounds: 0}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {max_rounds: 1}}\n",
    ),
    explanation(
        "deny-package-invalid",
        words("An entry of a fix's deny-list can be no package.", "修复的拒绝列表中有一项不可能是软件包。"),
        words(
            "A name that is nobody's would keep nothing back, and look as if it did.",
            "写错的名字什么也拦不住，看上去却像已经拦住。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {deny_packages: [\"open ssl\"]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {deny_packages: [openssl, curl=7.88.1-10]}}\n",
    ),
    explanation(
        "smoke-invalid",
        words("An entry of `smoke` is no command.", "`smoke` 中有一项不是命令。"),
        words(
            "Each entry is one whole command; words that cannot be told apart could not be run.",
            "每一项都是一条完整的命令；无法拆分的文字无法运行。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {smoke: [nginx, \"-t\"]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {smoke: [\"nginx -t\"]}}\n",
    ),
    explanation(
        "select-unfixable",
        words("A fix selects the findings that have no fix.", "修复只选择了没有修复版本的问题。"),
        words("There is nothing that it could do for them.", "对这些问题无从修复。"),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {select: {fixable: false}}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {select: {fixable: true}}}\n",
    ),
    explanation(
        "select-severity",
        words(
            "A fix selects by a severity with an upper end, or by `unknown`.",
            "修复按带上限的级别或按 `unknown` 选择。",
        ),
        words(
            "Who mends the low findings and leaves the critical ones has turned the comparison round.",
            "修复低危而留下高危，多半是把比较号写反了。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {select: {severity: \"<= high\"}}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {select: {severity: \">= high\"}}}\n",
    ),
    explanation(
        "notify-without-channels",
        words("A notification names no channel.", "通知没有写明任何渠道。"),
        words(
            "It would reach nobody, and the run would look as if people had been told.",
            "它送不到任何人，而运行看上去却像已经通知过。",
        ),
        "version: 1\nchain: web\nsteps:\n  tell: {uses: notify, with: {channels: []}}\n",
        "version: 1\nchain: web\nsteps:\n  tell: {uses: notify, with: {channels: [ops]}}\n",
    ),
    explanation(
        "replica-not-apart",
        words("An image would be promoted to where it is.", "镜像会被复制到它自己的位置。"),
        words(
            "The copy would be the image itself: same repository, same tag.",
            "仓库和标签都相同，副本就是镜像自身。",
        ),
        "version: 1\nchain: web\nsteps:\n  copy: {uses: replicate, with: {to: \"{{image.repository}}\"}}\n",
        "version: 1\nchain: web\nsteps:\n  copy: {uses: replicate, with: {to: \"prod/{{image.repository}}\"}}\n",
    ),
    explanation(
        "approval-expiry",
        words(
            "An approval would wait less than a minute or more than 90 days.",
            "审批的等待时间短于一分钟或长于 90 天。",
        ),
        words(
            "Nobody answers in a few seconds; and a run that waits keeps its place in the chain's `concurrency`.",
            "没有人能在几秒内答复；而等待中的运行会一直占着链的 `concurrency` 名额。",
        ),
        "version: 1\nchain: web\nsteps:\n  ask: {uses: approve, with: {message: \"ship it?\", expires: 10s}}\n",
        "version: 1\nchain: web\nsteps:\n  ask: {uses: approve, with: {message: \"ship it?\", expires: 3d}}\n",
    ),
    explanation(
        "attest-without-scan",
        words("An attestation has no scan that surely ended before it.", "证明之前没有必定已结束的扫描。"),
        words("SBOM and VEX say what the scan has found.", "SBOM 与 VEX 的内容就是扫描的结果。"),
        "version: 1\nchain: web\nsteps:\n  say: {uses: attest}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  say: {uses: attest, needs: [scan]}\n",
    ),
    explanation(
        "attest-nothing",
        words("An attestation names no document.", "证明没有写明任何文档。"),
        words(
            "It would attach nothing, and the run would look as if it had.",
            "它什么都不会附加，而运行看上去却像已经附加过。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  say: {uses: attest, needs: [scan], with: {what: []}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  say: {uses: attest, needs: [scan], with: {what: [sbom]}}\n",
    ),
    explanation(
        "sign-without-gate",
        words("A signature has no gate that surely ended before it.", "签名之前没有必定已结束的门禁。"),
        words(
            "A signature tells others that the image has passed; without a gate nothing was asked of it.",
            "签名是在告诉别人镜像已经通过；没有门禁就没有任何检查。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  seal: {uses: sign, needs: [scan], with: {key: release}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{severity: critical}]}}\n  seal: {uses: sign, needs: [gate], with: {key: release}}\n",
    ),
];
