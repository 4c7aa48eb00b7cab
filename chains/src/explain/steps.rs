//! Codes of how steps stand to each other.

use super::{Explanation, explanation, words};

pub(super) const ALL: &[Explanation] = &[
    explanation(
        "unknown-step",
        words("No step of this chain has that name.", "这条链里没有这个名字的步骤。"),
        words(
            "A step that waits for what does not exist would wait for ever.",
            "等待不存在的步骤会永远等下去。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scam], with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], with: {channels: [ops]}}\n",
    ),
    explanation(
        "unknown-step-kind",
        words(
            "`uses` names no kind of step that this version runs.",
            "`uses` 写的不是本版本能运行的步骤类型。",
        ),
        words(
            "A step that cannot run must not be found out in the middle of a run.",
            "不能等运行到一半才发现步骤无法执行。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scann}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n",
    ),
    explanation(
        "duplicate-need",
        words("A step names the same need twice.", "步骤把同一个依赖写了两次。"),
        words(
            "It does no harm; but another step was probably meant.",
            "这本身无害，但多半是想写另一个步骤。",
        ),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  look: {uses: scan}\n  tell: {uses: notify, needs: [scan, scan], with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  look: {uses: scan}\n  tell: {uses: notify, needs: [scan, look], with: {channels: [ops]}}\n",
    ),
    explanation(
        "cycle",
        words(
            "Steps need each other in a circle. The message shows the whole way round.",
            "步骤之间循环依赖，消息列出完整的环。",
        ),
        words("None of them could ever start.", "它们谁都无法开始。"),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan, needs: [tell]}\n  tell: {uses: notify, needs: [scan], with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], with: {channels: [ops]}}\n",
    ),
    explanation(
        "unreachable-step",
        words(
            "The step's condition can never be true: it is constant, or asks for an outcome of needs that it does not have.",
            "步骤的条件永远不会为真：它是常量，或者询问并不存在的依赖的结果。",
        ),
        words("Somebody believes that the step does something.", "写的人以为这个步骤会起作用。"),
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, when: failed, with: {channels: [ops]}}\n",
        "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  tell: {uses: notify, needs: [scan], when: failed, with: {channels: [ops]}}\n",
    ),
];
