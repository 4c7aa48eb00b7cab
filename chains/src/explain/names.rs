//! Codes of names in expressions and templates.

use super::{Explanation, explanation, words};

pub(super) const ALL: &[Explanation] = &[
    explanation(
        "unknown-name",
        words(
            "The expression or template begins with a name that does not exist there. Chains look at `image`, `run`, `params`, `trigger` and `steps`.",
            "表达式或模板以不存在的名字开头。链里可用 `image`、`run`、`params`、`trigger` 和 `steps`。",
        ),
        words(
            "It would fail when the run gets there, perhaps after something was deleted.",
            "否则运行到这里才会失败，那时可能已经删掉了什么。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, when: imge.repository == 'shop/web'}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, when: image.repository == 'shop/web'}\n",
    ),
    explanation(
        "unknown-function",
        words("The expression calls a function that chains do not have.", "表达式调用了链里没有的函数。"),
        words(
            "The list of functions is short, so that every expression ends, and ends soon.",
            "函数很少，以保证每个表达式都能很快结束。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, when: image.repository.beginsWith('shop/')}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, when: image.repository.startsWith('shop/')}\n",
    ),
    explanation(
        "unknown-field",
        words(
            "The value has no such field. A step has `succeeded`, `denied`, `failed`, `skipped`, `outcome` and `output`; what `image`, `run` and `trigger` have stands in the reference.",
            "该值没有这个字段。步骤有 `succeeded`、`denied`、`failed`、`skipped`、`outcome` 和 `output`；`image`、`run`、`trigger` 的字段见语言参考。",
        ),
        words("A misspelt condition would never be true.", "拼错的条件永远不会为真。"),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.succeded, with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.succeeded, with: {channels: [ops]}}\n",
    ),
    explanation(
        "unknown-output",
        words(
            "Steps of this kind give no output of that name. The reference lists what each kind gives.",
            "这种步骤没有这个名字的输出。各种步骤的输出见语言参考。",
        ),
        words("The value would be missing when the run gets there.", "运行到这里时这个值不会存在。"),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.output.wurst == 'critical', with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.output.worst == 'critical', with: {channels: [ops]}}\n",
    ),
    explanation(
        "unknown-parameter",
        words("The chain declares no parameter of that name.", "链没有声明这个参数。"),
        words(
            "A parameter has a type and a default, so that the chain can start by itself.",
            "参数有类型和默认值，这样链才能自行启动。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{severity: \">= {{params.level}}\"}]}}\n",
        "version: 1\nchain: web\nparams:\n  level: {enum: [high, critical], default: high}\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{severity: \">= {{params.level}}\"}]}}\n",
    ),
    explanation(
        "later-step",
        words(
            "A step is looked at where it has not surely ended: it is not among what this step needs, nor among what those need.",
            "引用的步骤在此处不一定已经结束：它不在本步骤的 `needs` 里，也不在那些步骤的 `needs` 里。",
        ),
        words(
            "Steps without an edge between them run at the same time; a condition over the other would depend on who is faster.",
            "没有依赖关系的步骤同时运行；互相引用的条件会取决于谁更快。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, when: steps.scan.failed, with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.failed, with: {channels: [ops]}}\n",
    ),
    explanation(
        "step-not-named",
        words(
            "`steps` is used as a whole, or with a computed name. A step must be named outright.",
            "把 `steps` 当整体使用，或用计算出来的名字。步骤必须直接写名字。",
        ),
        words(
            "Only a name that stands there can be checked to exist and to have ended by then.",
            "只有写明的名字才能检查它是否存在、届时是否已结束。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: \"steps.exists(s, true)\", with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.failed || steps.scan.denied, with: {channels: [ops]}}\n",
    ),
    explanation(
        "hyphen-in-name",
        words(
            "In an expression, `steps.my-scan` is `steps.my` minus `scan`. Such a name is written in brackets: `steps[\"my-scan\"]`.",
            "在表达式里，`steps.my-scan` 是 `steps.my` 减 `scan`。这样的名字要写在方括号里：`steps[\"my-scan\"]`。",
        ),
        words(
            "CEL reads a hyphen as a minus. Templates take the name as it is.",
            "CEL 把连字符读作减号；模板里可以直接写。",
        ),
        "version: 1\nchain: web\nsteps:\n  my-scan: {uses: scan}\n  tell: {uses: notify, needs: [my-scan], when: steps.my-scan.failed, with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  my-scan: {uses: scan}\n  tell: {uses: notify, needs: [my-scan], when: 'steps[\"my-scan\"].failed', with: {channels: [ops]}}\n",
    ),
];
