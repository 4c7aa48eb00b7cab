//! Codes of reading: from bytes to a tree.

use super::{Explanation, explanation, words};

pub(super) const ALL: &[Explanation] = &[
    explanation(
        "yaml-syntax",
        words(
            "The file is not YAML from the place shown on. Usual causes are a tab that indents, a missing space after `:`, and a bracket or quote that is left open.",
            "从所指位置起，文件不是合法的 YAML。常见原因：用制表符缩进、`:` 后缺少空格、括号或引号没有闭合。",
        ),
        words(
            "Nothing behind a syntax error can be trusted to mean what it seems to, so reading stops there; chains that stand before it in the file are still checked.",
            "语法错误之后的内容无法可靠解读，因此读取到此为止；文件中位于其前的链仍会检查。",
        ),
        "version: 1\nchain: web\nsteps:\n\tscan: {uses: scan}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "duplicate-key",
        words(
            "A key stands twice in one map. Both places are shown.",
            "同一个映射里某个键出现了两次，两处位置都会列出。",
        ),
        words(
            "YAML readers disagree on which of the two counts. A chain that deletes images must mean one thing.",
            "不同的 YAML 读取器对哪一个生效看法不一；会删除镜像的链必须只有一种含义。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan:\n    uses: scan\n    timeout: 5m\n    timeout: 30m\n",
        "version: 1\nchain: web\nsteps:\n  scan:\n    uses: scan\n    timeout: 30m\n",
    ),
    explanation(
        "key-not-text",
        words(
            "A key is a list, a map, a number or nothing. Often a template stands unquoted: YAML reads `{{name}}` as a map inside a map.",
            "键是列表、映射、数字或空值。常见原因是模板没有加引号：YAML 会把 `{{name}}` 读成映射套映射。",
        ),
        words(
            "Every key of the language is text; anything else is a slip, and guessing at it would hide it.",
            "语言中的键都是文本；其他写法都是笔误，猜测只会掩盖问题。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  [scan, again]: {uses: scan}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  scan-again: {uses: scan}\n",
    ),
    explanation(
        "merge-key",
        words(
            "`<<` asks YAML 1.1 to merge another map into this one. The chain language has no merge keys; a whole value may be aliased.",
            "`<<` 是 YAML 1.1 的合并键。链语言没有合并键；可以用别名引用整个值。",
        ),
        words(
            "Merge keys left YAML with version 1.2, and readers differ on which side wins.",
            "YAML 1.2 已去掉合并键，各读取器对哪一侧优先也不一致。",
        ),
        "version: 1\nchain: web\ndefaults:\n  retry: &often {attempts: 5, backoff: 1s}\nsteps:\n  scan:\n    uses: scan\n    retry: {<<: *often, backoff: 10s}\n",
        "version: 1\nchain: web\ndefaults:\n  retry: &often {attempts: 5, backoff: 1s}\nsteps:\n  scan:\n    uses: scan\n    retry: *often\n",
    ),
    explanation(
        "unsupported-tag",
        words(
            "A value carries a tag such as `!secret` that the language does not know. Those of YAML's core schema (`!!str`, `!!int` …) may stand.",
            "值带有语言不认识的标签，例如 `!secret`。YAML 核心模式的标签（`!!str`、`!!int` 等）可以使用。",
        ),
        words(
            "A tag says how to read a value; to ignore it would be to read something else. Secrets are named in the server's configuration, never in a chain.",
            "标签决定值的读法，忽略它就会读成别的东西。密钥写在服务器配置里，不写在链里。",
        ),
        "version: 1\nchain: web\ndescription: !secret ours\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\ndescription: ours\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "alias-cycle",
        words(
            "An alias stands inside the value that it names, so that the value would never end.",
            "别名出现在它所指的值里面，这个值会没有尽头。",
        ),
        words("No finite chain is meant by it.", "这样写不可能表示任何有限的链。"),
        "version: 1\nchain: web\nsteps:\n  scan: &scan\n    uses: scan\n    needs: [*scan]\n",
        "version: 1\nchain: web\nsteps:\n  scan:\n    uses: scan\n",
    ),
    explanation(
        "alias-bomb",
        words(
            "The aliases of the file stand for far more text or values than the file holds. What they add is bounded.",
            "文件中的别名展开后远远超过文件本身的内容；展开量是有上限的。",
        ),
        words(
            "Ten short lines of nested aliases can mean billions of values. A server that reads chains of others must not be stopped by them.",
            "十来行嵌套别名就能表示数十亿个值；读取他人链文件的服务器不能因此瘫痪。",
        ),
        "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n",
        "version: 1\nchain: web\nscope: {repositories: &ours [\"shop/**\"]}\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "control-character",
        words(
            "The file holds a character that cannot be seen: NUL, escape, a byte order mark in the middle.",
            "文件含有看不见的字符：NUL、ESC、位于中间的字节序标记等。",
        ),
        words(
            "Such characters make a terminal show something else than what is read. Whoever reviews a chain must see what it says.",
            "这类字符会让终端显示的内容与实际读取的不同；审阅链的人必须看到它真正写了什么。",
        ),
        "version: 1\nchain: web\ndescription: ours \u{1b}[8mhidden\u{1b}[0m\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\ndescription: ours\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "not-utf8",
        words(
            "The file has bytes that are not UTF-8, or is UTF-16.",
            "文件含有不是 UTF-8 的字节，或者是 UTF-16 编码。",
        ),
        words(
            "Text in a guessed encoding can mean something else than its author wrote.",
            "猜测编码会让文本变成作者没有写过的内容。",
        ),
        "",
        "version: 1\nchain: web\ndescription: été\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "too-deep",
        words(
            "Lists and maps stand inside each other deeper than is read.",
            "列表和映射的嵌套层数超过上限。",
        ),
        words(
            "Depth costs stack, and no chain needs it; nearly always a bracket is left open.",
            "嵌套消耗栈空间，而任何链都不需要这么深；几乎总是括号没有闭合。",
        ),
        "version: 1\nchain: web\ndescription: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\nsteps:\n  scan: {uses: scan}\n",
        "version: 1\nchain: web\ndescription: \"[\"\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "too-large",
        words(
            "The file, the number of its values, documents or steps, or all its expressions together are more than is read. The reference lists the limits.",
            "文件大小、值的个数、文档数、步骤数，或所有表达式的总长超过上限。上限见语言参考。",
        ),
        words(
            "Bounds keep checking fast and its memory small, whoever wrote the file. The size is refused before anything is parsed.",
            "上限保证无论谁写的文件，检查都快速且占用内存小。文件大小在解析之前就会检查。",
        ),
        "",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n---\nversion: 1\nchain: api\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "too-many-problems",
        words(
            "There are more problems than are shown. How many more, the message says.",
            "问题太多，没有全部列出；消息里说明还有多少。",
        ),
        words(
            "Nobody reads a thousand complaints; most of them have one cause.",
            "没有人会读一千条错误，它们多半出自同一个原因。",
        ),
        "",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "empty",
        words(
            "The file holds no chain: nothing, comments alone, or empty documents.",
            "文件里没有链：什么都没有、只有注释，或只有空文档。",
        ),
        words(
            "An empty file is more likely a failed download or a wrong path than a wish for no chain.",
            "空文件更可能是下载失败或路径写错，而不是有意不要任何链。",
        ),
        "# nothing yet\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n",
    ),
];
