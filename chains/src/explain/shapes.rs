//! Codes of the document's shape: keys, types, words.

use super::{Explanation, explanation, words};

pub(super) const ALL: &[Explanation] = &[
    explanation(
        "unknown-key",
        words(
            "The key means nothing at this place. The hint names the nearest that does, or all that do.",
            "这个键在此处没有意义。提示会给出最接近的键，或列出全部可用的键。",
        ),
        words(
            "A misspelt key that is ignored is a rule that does not hold: `needs` written `need` would run a step too early.",
            "拼错的键若被忽略，对应的规则就不生效：把 `needs` 写成 `need` 会让步骤过早运行。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, need: [scan], with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], with: {channels: [ops]}}\n",
    ),
    explanation(
        "missing-key",
        words("A key that must stand is not there.", "缺少必须写的键。"),
        words(
            "There is no value that would be right for everybody, so none is made up.",
            "没有对所有人都合适的默认值，因此不会替你编造一个。",
        ),
        "version: 1\nchain: web\nsteps:\n  keep: {uses: backup}\n",
        "version: 1\nchain: web\nsteps:\n  keep: {uses: backup, with: {to: \"vault/{{image.repository}}\"}}\n",
    ),
    explanation(
        "no-value",
        words(
            "A warning: the key stands there without a value, and counts as left out. Often its lines were commented out.",
            "警告：键后面没有值，等同于没有写。常见原因是它的内容被注释掉了。",
        ),
        words(
            "Left out means all, not none: a `tags:` without globs takes every tag in.",
            "没有写表示全部，而不是没有：`tags:` 后面没有通配符时，所有标签都在范围内。",
        ),
        "version: 1\nchain: web\nscope:\n  tags:\n  # - \"v*\"\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\nscope:\n  tags:\n  - \"v*\"\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "wrong-type",
        words(
            "The value is of another type than the key takes. `true` and `false` are the only booleans; `yes`, `on`, `0o17` and `2026-01-01` are text; `1.10` is a number unless it is quoted.",
            "值的类型与键不符。布尔值只有 `true` 和 `false`；`yes`、`on`、`0o17`、`2026-01-01` 都是文本；`1.10` 不加引号是数字。",
        ),
        words(
            "Values are not converted: the tag `1.10` would become `1.1`, and `no` a country or a boolean.",
            "不做类型转换：标签 `1.10` 会变成 `1.1`，`no` 可能是国家也可能是布尔值。",
        ),
        "version: 1\nchain: web\nscope: {tags: [1.10]}\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\nscope: {tags: [\"1.10\"]}\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "unknown-value",
        words(
            "The key takes one of a few words, and this is none of them.",
            "这个键只接受几个固定的词，而所写的不在其中。",
        ),
        words("A word that is not known cannot be obeyed.", "不认识的词无法执行。"),
        "version: 1\nchain: web\nconcurrency: {key: \"{{image.repository}}\", when_busy: supercede}\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\nconcurrency: {key: \"{{image.repository}}\", when_busy: supersede}\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "out-of-range",
        words(
            "A number or duration is outside what the key takes, or outside the bounds that the chain itself declares.",
            "数字或时长超出键允许的范围，或超出链自己声明的上下界。",
        ),
        words(
            "A limit of 0 runs nothing, a timeout of nothing fails always, and a default outside of its own bounds could not be given by hand.",
            "上限为 0 什么都不会运行，超时为零必然失败，超出自身范围的默认值也无法手工填写。",
        ),
        "version: 1\nchain: web\nparams:\n  days: {type: integer, minimum: 1, maximum: 30, default: 90}\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\nparams:\n  days: {type: integer, minimum: 1, maximum: 365, default: 90}\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "empty-list",
        words("A list that must have values has none.", "必须有内容的列表是空的。"),
        words(
            "A parameter that takes none of no values could never be set.",
            "候选值为空的参数永远无法设置。",
        ),
        "version: 1\nchain: web\nparams:\n  level: {enum: [], default: high}\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\nparams:\n  level: {enum: [high, critical], default: high}\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "bad-name",
        words(
            "Names of chains, steps and parameters begin with a lowercase letter; lowercase letters, digits, `-` and `_` follow, 63 characters in all.",
            "链、步骤和参数的名字以小写字母开头，其后为小写字母、数字、`-` 和 `_`，总长不超过 63 个字符。",
        ),
        words(
            "Names stand in expressions, addresses, file names and messages, and must be the same everywhere.",
            "名字会出现在表达式、地址、文件名和消息里，必须处处一致。",
        ),
        "version: 1\nchain: Web Release\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web-release\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "duplicate-chain",
        words("Two chains of one file have the same name.", "同一文件里两条链重名。"),
        words(
            "Runs, versions and addresses name a chain by its name; of two, one would be lost.",
            "运行、版本和地址都用名字指代链；重名会丢掉其中一条。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n---\nversion: 1\nchain: web\nsteps:\n  look: {uses: scan}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n---\nversion: 1\nchain: web-again\nsteps:\n  look: {uses: scan}\n",
    ),
    explanation(
        "no-steps",
        words("The chain has no steps.", "链里没有步骤。"),
        words("It would do nothing and pass everything.", "这样的链什么都不做，却会让一切通过。"),
        "version: 1\nchain: web\nsteps: {}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "unsupported-version",
        words("The file is written in another version of the language.", "文件使用了另一个版本的语言。"),
        words(
            "What keys mean may differ between versions; a program that does not know the version cannot know what is meant.",
            "不同版本中键的含义可能不同；不认识版本就无法知道其含义。",
        ),
        "version: 2\nchain: web\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "unsupported-trigger",
        words("This version does not start chains on that event.", "这个版本不会因该事件启动链。"),
        words(
            "A chain that waits for an event that never comes would look as if all were well.",
            "等待永远不会到来的事件，看上去会像一切正常。",
        ),
        "version: 1\nchain: web\non: {pull: {}}\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\non: {push: {}}\nsteps:\n  scan: {uses: scan}\n",
    ),
];
