//! ca-certificates upgraded without its postinst: the handler's result laid into the patch layer.
