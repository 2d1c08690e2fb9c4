// Package prober probes the sub-domains of all partners again and again, and reports in
// the condition SubdomainReachable of each Partner whether end customers can reach it.
//
// It is a process of its own, since it talks to addresses that partners choose: it may
// read Partners and write their status, of which it owns the ProberConditions. The policy in
// config/admission/status-guard.yaml keeps it out of what the manager owns there.
package prober
