//! Codes of texts with a grammar of their own.

use super::{Explanation, explanation, words};

pub(super) const ALL: &[Explanation] = &[
    explanation(
        "bad-cron",
        words(
            "The schedule is no cron expression of five fields (minute, hour, day of the month, month, day of the week), or one that never fires.",
            "定时不是五个字段的 cron 表达式（分、时、日、月、星期），或者永远不会触发。",
        ),
        words(
            "A chain whose time never comes checks nothing, and nobody is told.",
            "永远等不到时间的链什么也不检查，也不会有人知道。",
        ),
        "version: 1\nchain: web\non:\n  schedule: {cron: \"0 3 31 2 *\"}\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\non:\n  schedule: {cron: \"0 3 28 2 *\"}\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "bad-timezone",
        words(
            "The tz database has no zone of that name. Names are written letter for letter: `Asia/Shanghai`.",
            "tz 数据库里没有这个时区。名字要逐字写对：`Asia/Shanghai`。",
        ),
        words(
            "A schedule in a zone that is not known would fire at another hour than its author thinks.",
            "时区不明，触发的时刻就会与作者所想的不同。",
        ),
        "version: 1\nchain: web\non:\n  schedule: {cron: \"0 3 * * *\", timezone: Asia/Shangai}\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\non:\n  schedule: {cron: \"0 3 * * *\", timezone: Asia/Shanghai}\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "bad-duration",
        words(
            "The text is no duration: whole numbers with a unit, `ms`, `s`, `m`, `h`, `d` or `w`, from the largest to the smallest, ten years in all.",
            "文本不是时长：整数加单位 `ms`、`s`、`m`、`h`、`d`、`w`，从大到小排列，总计不超过十年。",
        ),
        words(
            "A number without a unit is seconds to one tool and minutes to the next.",
            "没有单位的数字，有的工具当秒，有的当分。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, timeout: 15 minutes}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, timeout: 15m}\n",
    ),
    explanation(
        "bad-severity",
        words(
            "The text names no severity (`unknown`, `low`, `medium`, `high`, `critical`), or compares `unknown`, which has no place in their order.",
            "文本不是严重级别（`unknown`、`low`、`medium`、`high`、`critical`），或者对没有次序的 `unknown` 做了比较。",
        ),
        words("A gate whose severity is misspelt would deny nothing.", "级别拼错的门禁什么都不会拒绝。"),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{severity: \">= hihg\"}]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], with: {deny: [{severity: \">= high\"}]}}\n",
    ),
    explanation(
        "bad-glob",
        words(
            "The pattern cannot be read: a bracket or brace is left open, nothing stands behind `!`, or it is too long. `*` and `?` stay within one part of a path, `**` does not.",
            "通配符无法解读：括号没有闭合、`!` 后面为空，或过长。`*` 和 `?` 不跨越 `/`，`**` 可以。",
        ),
        words(
            "A pattern that matches nothing would let every image by that it was meant for.",
            "匹配不到任何东西的通配符，会放过它本该覆盖的所有镜像。",
        ),
        "version: 1\nchain: web\nscope: {repositories: [\"shop/[a-z\"]}\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\nscope: {repositories: [\"shop/[a-z]*\"]}\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "bad-platform",
        words(
            "The text is no `os/architecture[/variant]` in the words of image indexes, which are Go's: `linux/amd64`, not `linux/x86_64`.",
            "文本不是镜像索引所用的 `操作系统/架构[/变体]`（即 Go 的写法）：是 `linux/amd64`，不是 `linux/x86_64`。",
        ),
        words(
            "No image has a platform of another name, so nothing would be scanned.",
            "没有镜像使用别的名字，于是什么都不会被扫描。",
        ),
        "version: 1\nchain: web\nscope: {platforms: [linux/x86_64]}\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\nscope: {platforms: [linux/amd64]}\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "bad-template",
        words(
            "The template cannot be used: it does not parse, uses a helper that does not exist, or is too long or too deep. `\\{{` writes two braces.",
            "模板无法使用：语法有误、用了不存在的辅助函数，或过长、过深。`\\{{` 表示两个花括号本身。",
        ),
        words(
            "A template that fails does so in the middle of a run, after images were pushed or deleted.",
            "有问题的模板会在运行中途失败，那时镜像可能已被推送或删除。",
        ),
        "version: 1\nchain: web\nsteps:\n  tell: {uses: notify, with: {channels: [ops], title: \"{{#if image.tag}}tagged\"}}\n",
        "version: 1\nchain: web\nsteps:\n  tell: {uses: notify, with: {channels: [ops], title: \"{{#if image.tag}}tagged{{/if}}\"}}\n",
    ),
    explanation(
        "bad-expression",
        words(
            "The expression is not CEL: the message names what stands wrong, and where. Templates have no place in it: write `params.level`, not `{{params.level}}`.",
            "表达式不是合法的 CEL：消息指出哪里不对。表达式里不写模板：写 `params.level`，不写 `{{params.level}}`。",
        ),
        words(
            "A condition that cannot be read cannot be true, and a step that should run would not.",
            "读不懂的条件不可能为真，应该运行的步骤就不会运行。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.failed &&, with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.failed, with: {channels: [ops]}}\n",
    ),
    explanation(
        "type-mismatch",
        words(
            "An expression does with a value what its type does not allow, such as comparing text with a number; or a template puts in a list or a map. The message names both sides.",
            "表达式对某个值做了其类型不允许的操作，例如把文本与数字比较；或者模板填入了列表或映射。消息会指出两边各是什么。",
        ),
        words(
            "It would fail in every run. Text that looks like a number is no number: `'9' < '10'` is false.",
            "这样的表达式每次运行都会失败。看起来像数字的文本不是数字：`'9' < '10'` 为假。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.output.total > '10', with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.output.total > 10, with: {channels: [ops]}}\n",
    ),
    explanation(
        "not-boolean",
        words(
            "The expression can only give something other than true or false: a text, a number, a map.",
            "表达式的结果只能是文本、数字、映射等，而不是真或假。",
        ),
        words(
            "Nothing but true and false answers whether a step runs; other values are not taken for one of them.",
            "步骤是否运行只能由真假回答；其他值不会被当作真或假。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.outcome, with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: steps.scan.outcome == 'failed', with: {channels: [ops]}}\n",
    ),
];
