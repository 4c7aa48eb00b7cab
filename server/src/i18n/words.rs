//! Every word of the pages, in English and Chinese beside each other; `{}` takes a number or a name.

macro_rules! words {
    ($($name:ident: $en:literal, $zh:literal;)*) => {
        /// The words of one language.
        #[derive(Debug)]
        pub(crate) struct Words { $(pub(crate) $name: &'static str,)* }
        /// English.
        pub(crate) const EN: Words = Words { $($name: $en,)* };
        /// 中文。
        pub(crate) const ZH: Words = Words { $($name: $zh,)* };
        #[cfg(test)]
        const PAIRS: &[(&str, &str, &str)] = &[$((stringify!($name), $en, $zh),)*];
    };
}

words! {
    // Frame
    skip: "Skip to content", "跳到正文";
    nav_label: "Main", "主导航";
    overview: "Overview", "总览";
    runs: "Runs", "运行";
    images: "Images", "镜像";
    chains: "Chains", "交付链";
    schedules: "Schedules", "定时计划";
    outbox: "Undelivered", "未送达";
    switch_theme: "Switch between light and dark", "切换浅色与深色";
    copy: "Copy", "复制";
    copied: "Copied", "已复制";
    tagline: "Delivery chains for container images", "容器镜像交付链";

    // States
    passed: "Passed", "已通过";
    remediated: "Mended", "已修复";
    denied: "Denied", "已拦截";
    failed: "Failed", "失败";
    cancelled: "Cancelled", "已取消";
    queued: "Queued", "排队中";
    running: "Running", "运行中";
    waiting: "Waiting", "等待中";
    blocked: "Not yet", "未开始";
    ready: "Ready", "就绪";
    succeeded: "Succeeded", "成功";
    skipped: "Skipped", "已跳过";
    unknown_state: "Unknown", "未知";
    undetermined: "Undetermined", "无法判定";
    pending: "Pending", "待送达";
    delivered: "Delivered", "已送达";

    // Severities
    critical: "Critical", "严重";
    high: "High", "高危";
    medium: "Medium", "中危";
    low: "Low", "低危";
    negligible: "Negligible", "可忽略";
    unknown_severity: "Unknown", "未评级";

    // Triggers
    by_push: "Push", "推送";
    by_manual: "By hand", "手动";
    by_schedule: "Schedule", "定时";
    by_advisories: "New advisory", "新公告";
    by_child: "After a fix", "修复之后";

    // Overview
    denied_now: "Denied now", "当前被拦截";
    denied_now_note: "images whose newest run was denied", "最近一次运行被拦截的镜像";
    mended_week: "Mended this week", "本周已修复";
    mended_week_note: "runs that ended with a fixed image", "以修复镜像结束的运行";
    under_way: "Under way", "进行中";
    under_way_note: "runs that have not ended", "尚未结束的运行";
    failed_week: "Failed this week", "本周失败";
    failed_week_note: "runs that ended with an error", "因错误而结束的运行";
    runs_now: "What runs now", "正在运行";
    nothing_runs: "Nothing runs at the moment. The next push starts a run by itself.", "目前没有运行。下一次推送会自动开始。";
    latest_runs: "Latest runs", "最近的运行";
    all_runs: "All runs", "全部运行";

    // Runs
    state: "State", "状态";
    image: "Image", "镜像";
    chain: "Chain", "交付链";
    started_by: "Started by", "触发方式";
    started: "Started", "开始";
    took: "Took", "用时";
    digest: "Digest", "摘要";
    filter: "Filter", "筛选";
    search_images: "Repository, tag or digest", "仓库、标签或摘要";
    any_state: "Any state", "任何状态";
    any_chain: "Any chain", "任何交付链";
    active: "Not ended", "未结束";
    clear: "Clear", "清除";
    older: "Older runs", "更早的运行";
    newest: "Newest", "最新";
    keys_hint: "/ to search, arrows to move, Enter to open", "/ 搜索，方向键移动，回车打开";
    no_runs: "No run yet", "还没有运行";
    no_runs_do: "Push an image that a chain handles, or start a chain by hand:", "推送一个在交付链范围内的镜像，或手动启动：";
    no_match: "No run matches this filter", "没有符合筛选条件的运行";
    no_match_do: "Loosen the filter, or clear it.", "放宽或清除筛选条件。";

    // Run
    round: "Round", "轮次";
    parent_run: "Started by run", "由此运行触发";
    cancel_run: "Cancel run", "取消运行";
    run_again: "Start again", "重新运行";
    asks: "Waits for your decision", "等待您的决定";
    asks_until: "Without an answer by {} it is rejected.", "{} 前无人决定即视为拒绝。";
    your_name: "Your name", "您的姓名";
    your_reason: "Reason", "理由";
    approve: "Approve", "批准";
    reject: "Reject", "拒绝";
    act: "Go on with this step", "对此步骤的操作";
    retry: "Try again", "重试";
    retry_note: "The same piece of work: what it had begun in the outside world is looked at first.", "继续同一项工作：先核对它已对外部做过的改动。";
    rerun: "Run again from here", "从此步骤重新运行";
    rerun_note: "A new piece of work. All steps after it run again too.", "作为一项新的工作；其后的步骤也会重新运行。";
    in_doubt: "Nobody knows whether this was done", "无法确定此操作是否已完成";
    in_doubt_do: "Look at the place itself, then say what you found:", "请先到目标处核实，再告知结果：";
    was_made: "It was done", "已完成";
    was_not_made: "It was not done", "未完成";
    dag: "Steps", "步骤";
    why: "Why", "原因";
    inputs: "Inputs", "输入";
    output: "Output", "输出";
    log: "Log", "日志";
    no_log: "This step wrote no log.", "此步骤没有日志。";
    no_output: "No output: the step has not ended, or did not run.", "没有输出：步骤尚未结束或没有执行。";
    no_inputs: "This step takes no parameters.", "此步骤没有参数。";
    attempt: "Attempt", "尝试";
    needs: "Needs", "依赖";
    when: "When", "条件";
    why_default: "Runs when everything it needs has succeeded.", "所依赖的步骤全部成功后执行。";
    why_root: "Runs first: it needs nothing.", "最先执行：没有依赖。";
    why_skipped: "Its condition was not met.", "条件不满足。";
    child_run: "Run of the fixed image", "修复镜像的运行";
    deliveries: "Notifications", "通知";
    no_deliveries: "This run has written no notification.", "此运行没有发出通知。";
    channel: "Channel", "渠道";
    last_change: "Last change", "最近变化";
    step: "Step", "步骤";
    reason: "Reason", "原因";
    attempts: "{} tries", "已尝试 {} 次";
    original: "Original", "原镜像";
    fixed_image: "Fixed image", "修复镜像";
    compare: "Before and after", "修复前后对比";
    seq_cut: "Earlier lines are left out; the API has them all.", "较早的日志已省略，可通过接口获取。";

    // Chains, schedules
    paused: "Paused", "已暂停";
    chain_paused: "Chain {} is paused: none of its steps starts.", "交付链 {} 已暂停：其步骤不会开始。";
    paused_by: "by", "操作人";
    pause: "Pause", "暂停";
    resume: "Let it go on", "继续运行";
    repositories: "Repositories", "仓库";
    all_repositories: "all", "全部";
    starts: "Starts", "启动方式";
    in_use: "In use", "使用中";
    not_loaded: "not loaded here", "此处未加载";
    no_chains: "No chain is loaded", "未加载交付链";
    no_chains_do: "Start the server with one:", "启动服务时指定交付链：";
    next_firing: "Next", "下一次";
    last_firing: "Last", "上一次";
    cron: "When", "时间";
    never: "never yet", "尚未触发";
    fired_started: "{} started", "启动 {} 个";
    fired_present: "{} under way already", "{} 个已在运行";
    fired_left_out: "{} need none", "{} 个无需运行";
    fired_failed: "{} failed", "{} 个失败";
    fired_done: "Done", "已完成";
    fired_missed: "Missed", "已错过";
    no_schedules: "No chain has a schedule", "没有定时的交付链";
    no_schedules_do: "Write one into a chain, and start the server with it:", "在交付链中写入定时计划，再启动服务：";

    // Undelivered
    send_again: "Send again", "重新发送";
    given_up: "Given up", "放弃时间";
    tries: "Tries", "尝试次数";
    no_dead: "Every message was delivered", "所有消息均已送达";
    no_dead_do: "A message that a channel keeps refusing is listed here, and can be sent again.", "渠道持续拒收的消息会列在这里，可重新发送。";
    older_messages: "Older messages", "更早的消息";

    // Images
    no_images: "No image yet", "还没有镜像";
    no_images_do: "Images appear here once a chain has handled them. Push one:", "交付链处理过的镜像会出现在这里。先推送一个：";
    result: "Result", "结果";
    last_run: "Last run", "最近运行";
    findings: "Findings", "漏洞";
    severity: "Severity", "严重程度";
    packages: "Packages", "软件包";
    package: "Package", "软件包";
    installed: "Installed", "当前版本";
    mended_by: "Mended by", "修复版本";
    no_fix: "no fix yet", "暂无修复";
    system: "System", "系统";
    layers: "Layers", "层";
    size: "Size", "大小";
    advisories: "Advisories", "漏洞库版本";
    no_report: "This image has not been scanned", "此镜像尚未扫描";
    no_report_do: "A chain with a scan step writes its report here.", "含有扫描步骤的交付链会在此写入报告。";
    no_findings: "Nothing is known to be wrong with this image", "没有发现已知问题";
    no_findings_do: "Every installed package was compared with the advisories above.", "已将所有软件包与上述漏洞库比对。";
    incomplete: "The scan is not complete", "扫描不完整";
    known_exploited: "known to be exploited", "已被利用";
    history: "Runs of this image", "此镜像的运行";
    comma: ", ", "，";
    bar_finding: "{} finding", "{} 个漏洞";
    bar_findings: "{} findings", "{} 个漏洞";
    bar_package: "{} package", "{} 个软件包";
    bar_packages: "{} packages", "{} 个软件包";
    bar_mendable: "{} mendable", "{} 个可修复";
    bar_all_mendable: "mendable", "均可修复";
    bar_none_mendable: "no fix can be had yet", "暂时无法修复";
    bar_languages: "{} mendable with packages of languages", "连同语言包可修复 {} 个";
    mend: "Start the chain again", "再次运行交付链";
    see_fix: "Before and after", "修复前后对比";
    made_from: "Mended from", "修复自";

    // Compare
    before: "Before", "修复前";
    after: "After", "修复后";
    gone: "Gone", "已消除";
    left: "Left", "仍存在";
    new: "New", "新增";
    from_to: "Packages that went up", "升级的软件包";
    refused: "Packages that stay, and why", "未升级的软件包及原因";
    mends: "Mends", "修复";
    goes_along: "goes along with its source", "随同源码包升级";
    none_gone: "Nothing is gone.", "没有消除的漏洞。";
    none_left: "Nothing is left.", "没有剩余漏洞。";
    none_new: "Nothing is new.", "没有新增漏洞。";
    no_compare: "There is no fixed image of this one", "此镜像没有修复镜像";
    no_compare_do: "When a chain mends it, both stand here side by side.", "交付链修复之后，两者会在此并列显示。";
    no_upgrades: "No package went up.", "没有软件包升级。";
    finding_word: "finding", "个漏洞";
    findings_word: "findings", "个漏洞";

    files: "Files", "文件";
    comparing: "The files of both images are being compared", "正在比较两个镜像的文件";
    not_compared: "The files cannot be compared", "无法比较文件";
    added: "Added", "新增";
    changed: "Changed", "已更改";
    removed: "Removed", "已删除";
    shared_layers: "Layers in common", "共有层";
    more_size: "{} more", "增加 {}";
    less_size: "{} less", "减少 {}";
    same_size: "The same size", "大小不变";
    grows: "Size of all layers", "各层总大小";
    files_left_out: "{} more: the API names them, with files=true.", "另有 {} 个，可通过接口（files=true）获取。";
    other_packages: "Other packages that differ", "其他有差异的软件包";
    no_files: "No file differs.", "没有文件差异。";
    not_there: "not there", "无";

    // Plan
    plan: "Plan of a fix", "修复计划";
    plan_fix: "Plan a fix", "制定修复计划";
    plan_languages: "packages of languages, too", "包括语言包";
    plan_note: "Nothing has been changed yet. Untick what shall stay as it is; the rest goes up, and nothing else.", "尚未做任何改动。取消勾选不想升级的软件包；只升级勾选的，别的一概不动。";
    planning: "The plan is being made", "正在制定计划";
    planning_note: "The image is scanned, and the packages that would go up are fetched and looked into.", "正在扫描镜像，下载并检查将要升级的软件包。";
    no_plan: "This image cannot be planned for", "无法为此镜像制定计划";
    back_to_image: "To the image", "返回镜像";
    built_on: "Built on", "基于";
    go_up: "Go up", "升级";
    go_up_note: "packages with a version that can be had", "有可用新版本的软件包";
    end: "End", "消除";
    end_note: "findings, when all of it is done", "全部升级后消除的漏洞";
    stay: "Stay", "保留";
    stay_note: "findings, with the reason for each below", "仍会存在的漏洞，原因见下";
    download: "Download", "下载";
    download_note: "of packages, each verified", "软件包总大小，逐个校验";
    nothing_goes_up: "Nothing can go up", "没有可升级的软件包";
    nothing_goes_up_do: "What stays, and why, is listed below.", "保留的漏洞及原因见下。";
    plan_ups: "What goes up", "将升级的软件包";
    from: "From", "从";
    to: "To", "到";
    ends: "Ends", "消除漏洞";
    repository: "Repository", "软件源";
    executor: "Who lays it, and why", "安装方式及原因";
    by_native: "native", "直接安装";
    by_sandbox: "sandbox", "沙箱";
    by_engine: "daemon's container", "守护进程的容器";
    needed: "needed by another", "被其他升级所依赖";
    tick_all: "Tick or untick all", "全选或全不选";
    chosen_of: "{} of {} chosen", "已选 {} / {}";
    mend_choice: "Mend with this choice", "按此选择修复";
    wanted: "Wanted", "目标版本";
    leaves: "Leaves", "遗留漏洞";
    stays: "Findings that stay, and why", "保留的漏洞及原因";

    // Failures
    went_wrong: "This page cannot be shown", "无法显示此页面";
    try_again: "Try again", "重试";
    back_home: "To the overview", "返回总览";

    // Time
    just_now: "just now", "刚刚";
    seconds_ago: "{} s ago", "{} 秒前";
    minutes_ago: "{} min ago", "{} 分钟前";
    hours_ago: "{} h ago", "{} 小时前";
    days_ago: "{} d ago", "{} 天前";
    in_seconds: "in {} s", "{} 秒后";
    in_minutes: "in {} min", "{} 分钟后";
    in_hours: "in {} h", "{} 小时后";
    in_days: "in {} d", "{} 天后";
}

/// Puts `value` where `{}` stands.
pub(crate) fn fill(pattern: &str, value: impl std::fmt::Display) -> String {
    pattern.replacen("{}", &value.to_string(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_take_the_same_values() {
        for (name, en, zh) in PAIRS {
            assert_eq!(en.contains("{}"), zh.contains("{}"), "{name}");
            assert!(!en.is_empty() && !zh.is_empty(), "{name}");
        }
        assert_eq!(fill(EN.minutes_ago, 5), "5 min ago");
        assert_eq!(fill(ZH.minutes_ago, 5), "5 分钟前");
    }
}
