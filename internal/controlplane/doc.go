// Package controlplane runs a real Kubernetes control plane on
// loopback: etcd, kube-apiserver and kube-controller-manager, with kubectl to
// go with them. The demo, the test suites and the benchmarks all run on it.
//
// hack/prepare compiles the module in hack/controlplane once per version into a cache
// folder outside the work tree. Start runs what is there, as package assets finds it.
//
// controller-runtime's envtest starts no kube-controller-manager, so garbage
// collection and namespace deletion never happen there, cannot restart an API
// server on its port, and leaves its processes behind when a test is killed;
// docs/decisions/0002-embedded-control-plane.md has the reasons in full.
package controlplane
