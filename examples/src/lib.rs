//! Chains, CI snippets and deployments, each compiled or run by a test.
