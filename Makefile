# partner-operator: `make demo` shows it at work, `make test` tests it. Both need
# Go and git, and build whatever else they use.
SHELL := /usr/bin/env bash -o pipefail -e
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
IMAGE ?= partner-operator:latest
PLATFORMS ?= linux/amd64,linux/arm64
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
BUILD := github.com/dispel/partner-operator/internal/build
LDFLAGS := -s -w -X $(BUILD).version=$(VERSION) -X $(BUILD).commit=$(COMMIT)
# The modules of the control plane and of the tools are not part of go.work.
APART := GOWORK=off
CONTROLLER_GEN := bin/controller-gen
CRD_REF_DOCS := bin/crd-ref-docs
GOLANGCI_LINT := bin/golangci-lint
PREPARE := go run ./hack/prepare
# Whatever is compiled here is compiled with these, so that nothing is compiled twice.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false -gcflags=all=-dwarf=false

##@ Main

.PHONY: demo
demo: ## Run the operator on a real control plane with the samples (ONCE=1 ends after printing; CLUSTER=current runs on your own).
	@[[ "$(CLUSTER)" =~ ^(current)?$$ ]] || { echo "CLUSTER must be \"current\" or unset, not \"$(CLUSTER)\"" >&2; exit 1; }
	@$(PREPARE) $(if $(CLUSTER),operator,demo)
	@$(MAKE) --no-print-directory build
	@go build -o bin/demo ./hack/demo
	@exec bin/demo

.PHONY: tools
tools: ## Build what tests run beside the control plane: Helm, and what tests alerts.
	@$(PREPARE) tools

# golangci-lint runs vet, and more of it than go test does. Without symbols, which only
# debuggers need, thirty binaries are linked some seconds sooner. Suites wait for their
# control planes about as long as they compute, so twice as many as there are cores run
# at once.
.PHONY: test
test: ## Run all tests: unit, golden, CEL and controllers on a real control plane.
	@$(PREPARE) test
	go test -p $$((2 * $$(getconf _NPROCESSORS_ONLN))) -vet=off -ldflags="-s -w" work -timeout 20m

.PHONY: test-matrix
test-matrix: ## Run all tests on every version of Kubernetes that is supported, the newest first; each control plane is built once.
	@env -u KUBEBUILDER_ASSETS -u PARTNER_OPERATOR_KUBERNETES $(PREPARE) test
	env -u KUBEBUILDER_ASSETS -u PARTNER_OPERATOR_KUBERNETES go test work -count=1 -timeout 20m
	@for file in hack/controlplane/kubernetes-*.mod; do minor=$${file##*/kubernetes-}; minor=$${minor%.mod}; \
		echo "=== Kubernetes $$minor"; export PARTNER_OPERATOR_KUBERNETES=$$minor; \
		$(PREPARE) controlplane; go test work -count=1 -timeout 20m; done

.PHONY: test-race
test-race: controlplane tools ## Run the tests of what runs concurrently with the race detector, which needs a C compiler.
	CGO_ENABLED=1 go test -race ./controllers ./internal/manager ./internal/preview ./internal/prober ./internal/widgetserver -timeout 25m

.PHONY: test-e2e
test-e2e: controlplane bin/traefik debian ## Show partners in a real browser, behind real controllers and DNS; needs npm, and root to install Chromium and BIND.
	npm ci --prefix test/e2e --ignore-scripts
	$(APART) go build -C hack/tools -o $(CURDIR)/bin/ ./certmanager ./externaldns github.com/letsencrypt/pebble/v2/cmd/pebble
	$(APART) go build -C hack/flux -ldflags="-s -w" -o $(CURDIR)/bin/ github.com/fluxcd/kustomize-controller
	go test -p 1 -vet=off -tags e2e ./test/e2e ./test/certmanager ./test/flux -count=1 -timeout 20m
	@echo "Screenshots are in build/e2e"

.PHONY: test-faults
test-faults: controlplane ## Break what the operator runs on while partners come about, and see that they come about all the same.
	go test -vet=off -tags faults ./test/faults -count=1 -timeout 40m

# What runs on the nodes: the operator as its Dockerfile has it, and other programs by themselves.
NODE := build/node
# The releases that upgrades start from, by their commits.
NODE_RELEASES := v0.2.0:d73cfe19370160e895ff4345ddad636015f4e500
NODE_IMAGES := pod dns traefik certmanager kubectl-partner
# The longest parts come first. So many clusters run at once; each needs two processors, or requests time out.
NODE_PARTS := faults upgrade install limits
NODE_CLUSTERS ?= 1
.PHONY: test-node
test-node: node-possible tools bin/traefik ## Run the images on two real nodes with enforced policies; needs Linux, root and Debian's packages.
	@$(PREPARE) node
	go build -ldflags "$(LDFLAGS)" -o $(NODE)/ ./cmd/...
	$(APART) go build -C hack/tools -ldflags="-s -w" -o $(CURDIR)/$(NODE)/ ./certmanager
	cp bin/traefik $(NODE)/traefik
	$(NODE)/image -tag local/partner-operator:head -o $(NODE)/partner-operator.tar $(NODE)/partner-operator
	for program in $(NODE_IMAGES); do $(NODE)/image -dockerfile hack/node/files/Dockerfile -tag local/$$program:1 -o $(NODE)/$$program.tar $(NODE)/$$program; done
	@for of in $(NODE_RELEASES); do dir=$(NODE)/$${of%:*}; [[ -e $$dir.tar ]] && continue; \
		echo "Building $${of%:*}"; rm -rf $$dir && mkdir -p $$dir && git archive $${of#*:} | tar -x -C $$dir && \
		go -C $$dir build -ldflags "-s -w" -o ../partner-operator-$${of%:*} ./cmd/partner-operator && \
		$(NODE)/image -dockerfile $$dir/Dockerfile -tag local/partner-operator:$${of%:*} -o $$dir.tar $(NODE)/partner-operator-$${of%:*} || exit; done
	go test -c -vet=off -tags node -ldflags="-s -w" -o $(NODE)/suite ./test/node
	@$(MAKE) --no-print-directory --keep-going --jobs=$(NODE_CLUSTERS) $(NODE_PARTS:%=test-node-%)

# Each part of the suite runs on a cluster of its own.
.PHONY: $(NODE_PARTS:%=test-node-%)
$(NODE_PARTS:%=test-node-%): test-node-%:
	@cd test/node && $(CURDIR)/$(NODE)/node $(foreach image,partner-operator $(NODE_IMAGES) $(foreach of,$(NODE_RELEASES),$(firstword $(subst :, ,$(of)))),-image $(CURDIR)/$(NODE)/$(image).tar) -- \
		$(CURDIR)/$(NODE)/suite -test.timeout 60m -ginkgo.v -ginkgo.no-color -ginkgo.label-filter=$* $(ARGS) 2>&1 | sed --unbuffered 's/^/$*: /'

# What nodes need, before anything is built.
.PHONY: node-possible
node-possible:
	@refuse() { echo "$$1" >&2; exit 1; }; \
	[[ $$(uname) == Linux ]] || refuse "Nodes need Linux, and this is $$(uname)"; \
	[[ $$(id -u) == 0 ]] || refuse "Nodes need root, to make namespaces and cgroups: run this with sudo"; \
	command -v apt-get dpkg-deb >/dev/null || refuse "Nodes need containerd, runc and nftables from Debian's packages, and there is no apt-get or dpkg-deb"; \
	unshare --mount --net --pid --fork true 2>/dev/null || refuse "This root may make no namespaces, as in most containers: run this outside of one"; \
	grep -qw overlay /proc/filesystems || refuse "The kernel has no overlay file system, which containerd needs: modprobe overlay"

.PHONY: test-node-killed
test-node-killed: node-possible ## Kill nodes in the middle, and look for what is left (KILLS=10; after test-node).
	go test -vet=off -tags node ./test/node/killed -count=1 -timeout 20m

# Each with how many inputs make a short run.
FUZZ := api/v1alpha1:FuzzFTE:5000x internal/support:FuzzHours:5000x internal/admission:FuzzHost:2000x internal/preview:FuzzPlan:100x internal/widgetserver:FuzzRequest:5000x
.PHONY: fuzz
fuzz: ## Feed what reads user input with what nobody would write (FUZZTIME=1m for longer).
	@for target in $(FUZZ); do IFS=: read -r package name count <<<"$$target"; echo "$$name"; \
		go test ./$$package -run '^$$' -fuzz "^$$name\$$" -fuzztime $${FUZZTIME:-$$count} -parallel 2; done

.PHONY: bench
bench: controlplane build ## Measure the operator beside a plain client, the widget server beside a plain handler, and the plugin beside kubectl's reader, with 10,000 partners.
	go run ./hack/bench
	go test ./internal/widgetserver -run '^$$' -bench . -benchtime 5x
	go test ./cmd/kubectl-partner -run '^$$' -bench . -benchtime 3x

bin/traefik: hack/traefik/go.mod hack/traefik/go.sum
	@echo "Building Traefik, which takes some ten minutes the first time"
	$(APART) go build -C hack/traefik -v -ldflags="-s -w" -o $(CURDIR)/$@ github.com/traefik/traefik/v3/cmd/traefik 2>&1 \
		| awk '!/^[a-z0-9.-]+\// || /: / {print} /^[a-z0-9.-]+\// && ++n % 200 == 0 {print "  " n " packages"; fflush()}'

.PHONY: debian
debian: ## Install Chromium, certutil and BIND from Debian's packages, unless they are there.
	@if command -v named >/dev/null && command -v certutil >/dev/null && command -v chromium >/dev/null && chromium --version 2>/dev/null | grep -q Chromium; then exit; fi; \
	if ! command -v apt-get >/dev/null || [[ $$(id -u) != 0 ]]; then \
		echo "The end-to-end tests need Chromium, certutil and BIND; on Debian: sudo apt-get install chromium libnss3-tools bind9" >&2; exit 1; fi; \
	echo "Installing Chromium, certutil and BIND from Debian's packages"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium libnss3-tools bind9 >/dev/null; \
	if [[ -d /run/systemd/system ]]; then systemctl disable --now named; fi # the tests start their own

##@ Development

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z0-9_-]+:.*##/ {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: controlplane
controlplane: ## Build the embedded control plane, once per version, and print its folder.
	@$(PREPARE) controlplane

.PHONY: build
build: ## Build the binaries into bin/.
	go build -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

.PHONY: run
run: build ## Run the manager against the cluster of the current kubeconfig.
	bin/partner-operator manager --log-format=text --shutdown-delay=0 --health-probe-bind-address=127.0.0.1:8081 --metrics-bind-address=0

.PHONY: generate
generate: controlplane $(CONTROLLER_GEN) $(CRD_REF_DOCS) ## Generate deepcopy code, CRDs, roles, the chart, reference pages, tables and golden files, and copy Go's time zones.
	$(CONTROLLER_GEN) object paths=./api/...
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(CRD_REF_DOCS) --source-path=api --config=hack/tools/crd-ref-docs.yaml --renderer=markdown --output-path=docs/reference/api.md --max-depth=20 --log-level=WARN
	$(CONTROLLER_GEN) rbac:roleName=manager paths=./controllers/... output:rbac:dir=config/rbac
	$(CONTROLLER_GEN) rbac:roleName=widget paths=./internal/widgetserver/... output:rbac:dir=config/widget
	$(CONTROLLER_GEN) rbac:roleName=probe paths=./internal/prober/... output:rbac:dir=config/probe
	cp "$$(go env GOROOT)/lib/time/zoneinfo.zip" internal/support/zoneinfo.zip
	$(MAKE) chart
	UPDATE_GOLDEN=1 go test ./internal/support ./internal/tenant ./internal/intake ./internal/widget ./internal/cli ./docs -count=1

CHART := charts/partner-operator
.PHONY: chart
chart: ## Bring what the chart takes over from config into it, and its README up to date.
	rm -rf $(CHART)/files && mkdir -p $(addprefix $(CHART)/files/,crds rbac admission monitoring)
	cp config/crd/bases/*.yaml $(CHART)/files/crds
	cp config/rbac/role.yaml $(CHART)/files/rbac/manager.yaml
	cp config/widget/role.yaml $(CHART)/files/rbac/widget.yaml
	cp config/probe/role.yaml $(CHART)/files/rbac/probe.yaml
	cp config/rbac/metrics_reader.yaml $(CHART)/files/rbac/metrics-reader.yaml
	cp config/rbac/viewer.yaml config/rbac/editor.yaml $(CHART)/files/rbac
	cp config/rbac/tenant_controller.yaml $(CHART)/files/rbac/tenant-controller.yaml
	cp $(filter-out config/admission/kustomization.yaml,$(wildcard config/admission/*.yaml)) config/admission/deletion-guard/deletion-guard.yaml $(CHART)/files/admission
	cp config/monitoring/prometheus_rule.yaml config/monitoring/service_monitors.yaml config/monitoring/partner-operator.json $(CHART)/files/monitoring
	$(APART) go tool -modfile=hack/tools/go.mod helm-docs --chart-search-root charts --sort-values-order file --skip-version-footer --log-level warning

$(CONTROLLER_GEN): hack/tools/go.mod hack/tools/go.sum
	$(APART) go build -C hack/tools -o $(CURDIR)/$@ sigs.k8s.io/controller-tools/cmd/controller-gen

$(CRD_REF_DOCS): hack/tools/go.mod hack/tools/go.sum
	$(APART) go build -C hack/tools -o $(CURDIR)/$@ github.com/elastic/crd-ref-docs

.PHONY: manifests
manifests: generate ## The same as generate, by its kubebuilder name.

.PHONY: fmt
fmt: ## Format the code.
	gofmt -w api cmd controllers hack internal test

.PHONY: vet
vet: ## Run go vet.
	go vet work

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run golangci-lint with kube-api-linter.
	$(GOLANGCI_LINT) run $$(go list -m -f '{{.Dir}}/...')

$(GOLANGCI_LINT): hack/tools/go.mod hack/tools/go.sum hack/tools/golangci-lint/main.go
	@echo "Building golangci-lint, which takes some minutes the first time"
	$(APART) go build -C hack/tools -o $(CURDIR)/$@ ./golangci-lint

.PHONY: verify
verify: ## Fail if anything that is generated or documented differs from the tree.
	for module in . api hack test hack/controlplane hack/node hack/tools hack/traefik; do $(APART) go -C $$module mod tidy; done
	for file in hack/controlplane/kubernetes-*.mod; do $(APART) go -C hack/controlplane mod tidy -modfile=$${file##*/}; done
	go run ./hack/versions check
	$(MAKE) fmt generate
	go test ./docs -count=1
	@changes="$$(git status --porcelain)"; if [[ -n "$$changes" ]]; then \
		echo "Generated files differ from the tree, or files are not committed:" >&2; echo "$$changes" >&2; git --no-pager diff >&2; exit 1; fi

##@ Cluster

.PHONY: install
install: ## Install the CRDs into the cluster of the current kubeconfig.
	kubectl apply --server-side --kustomize config/crd

.PHONY: uninstall
uninstall: ## Remove the CRDs, and all Partners with them.
	kubectl delete --ignore-not-found --kustomize config/crd

.PHONY: deploy
deploy: install ## Install CRDs, admission policies and the operator into the cluster of the current kubeconfig.
	kubectl wait --for=condition=Established --timeout=60s --filename config/crd/bases
	kubectl apply --server-side --kustomize config/default

.PHONY: undeploy
undeploy: ## Remove the manager, and nothing of any partner.
	kubectl delete --ignore-not-found --kustomize config/operator

##@ Release

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in what the binaries call; fails where their database cannot be reached.
	@status=0; out="$$(go run golang.org/x/vuln/cmd/govulncheck@v1.8.0 ./... ./api/... 2>&1)" || status=$$?; echo "$$out"; \
	if grep -q '^govulncheck: fetching vulnerabilities' <<<"$$out"; then \
		echo "Nothing was checked: the database of vulnerabilities cannot be reached from here. Run this where it can, or name a mirror in GOVULNDB." >&2; fi; \
	exit $$status

.PHONY: release-files
release-files: ## Build what a release VERSION is made of into build/release, without checking or signing it (RELEASE_SIGNING_KEY signs).
	go run ./hack/release -version "$(VERSION)" -out build/release

.PHONY: release
release: vulncheck ## Check and build a signed release VERSION into build/release; RELEASE_SIGNING_KEY names the key.
	@[[ -n "$$RELEASE_SIGNING_KEY" ]] || { echo "A release is signed: name the file of the private key in RELEASE_SIGNING_KEY" >&2; exit 1; }
	$(MAKE) release-files

##@ Image

.PHONY: docker-build
docker-build: ## Build the image for this machine.
	docker build --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --tag $(IMAGE) .

.PHONY: docker-buildx
docker-buildx: ## Build and push the image for all platforms.
	docker buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --provenance=mode=max --sbom=true --tag $(IMAGE) --push .
