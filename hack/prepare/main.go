// Command prepare downloads and builds what the commands of the Makefile use, and
// shows how far it is. It depends on little, so that it starts at once.
//
//	go run ./hack/prepare controlplane   the control plane; prints the folder of its binaries
//	go run ./hack/prepare operator       the operator and the demo
//	go run ./hack/prepare demo           both
//	go run ./hack/prepare tools          Helm, and the command that tests alerts
//	go run ./hack/prepare test           the control plane, these tools, and the tests
//	go run ./hack/prepare node           what real nodes have, into build/node
//
// What is there already is not built again, and an interrupted run goes on where it was.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dispel/partner-operator/internal/controlplane/assets"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

// part is a set of packages of a module, with what builds it once all that it needs
// is downloaded.
type part struct {
	name string
	// module is the folder of the module, from the top of the work tree, or the workspace.
	module string
	// packages are what `go list` resolves, and so downloads, with its flags.
	packages []string
	// build are the arguments of the go command.
	build []string
}

// workspace is the folder of go.work, whose modules are built together.
const workspace = "."

// Listing with -export compiles and does not link.
var (
	operatorAndDemo = part{
		name: "the operator and the demo", module: workspace,
		packages: []string{"./cmd/...", "./hack/demo"},
		build:    []string{"list", "-v", "-export", "-deps", "./cmd/...", "./hack/demo"},
	}
	tests = part{
		name: "the tests", module: workspace,
		packages: []string{"-test", "work"},
		build:    []string{"list", "-v", "-export", "-test", "-deps", "work"},
	}
	tools = part{
		name: "Helm and Prometheus' rules", module: "hack/tools",
		packages: []string{"helm.sh/helm/v4/cmd/helm", "./alerts", "github.com/cert-manager/cert-manager/pkg/api"},
		build:    []string{"build", "-v", "-o", "../../bin/", "helm.sh/helm/v4/cmd/helm", "./alerts"},
	}
)

// nodes is the control plane with all controllers, and what a node needs beside it.
func nodes(kubernetes string) part {
	return part{
		name: "the control plane and nodes", module: "hack/controlplane", packages: []string{"-tags=complete,node", "."},
		build: []string{"build", "-v", "-tags=complete,node", "-ldflags", linkerFlags(kubernetes), "-o", "../../build/node/controlplane", "."},
	}
}

// aroundNodes makes them, and what runs on them for tests.
var aroundNodes = part{
	name: "what makes nodes", module: "hack/node", packages: []string{"./..."},
	build: []string{"build", "-v", "-ldflags=-s -w", "-o", "../../build/node/", "./..."},
}

// buildTarget is what a command of the Makefile uses.
type buildTarget struct {
	controlPlane bool
	parts        []part
}

func targets(kubernetes string) map[string]buildTarget {
	return map[string]buildTarget{
		"controlplane": {controlPlane: true},
		"operator":     {parts: []part{operatorAndDemo}},
		"demo":         {controlPlane: true, parts: []part{operatorAndDemo}},
		"tools":        {parts: []part{tools}},
		"test":         {controlPlane: true, parts: []part{tests, tools}},
		"node":         {parts: []part{nodes(kubernetes), aroundNodes}},
	}
}

func run(ctx context.Context, args []string) error {
	p := preparation{out: os.Stderr}
	var err error
	if p.wanted, err = assets.Pinned(); err != nil {
		return err
	}
	all := targets(p.wanted.Kubernetes)
	target, ok := all[strings.Join(args, " ")]
	if !ok {
		return fmt.Errorf("unknown target %q: want one of %v", args, slices.Sorted(maps.Keys(all)))
	}
	if target.controlPlane {
		if p.wanted, err = assets.Wanted(); err != nil {
			return err
		}
	}
	if err := p.run(ctx, target); err != nil {
		return err
	}
	if args[0] == "controlplane" {
		fmt.Println(p.wanted.Dir)
	}
	return nil
}

// run builds the control plane and then the parts, one after another, since each
// uses all cores; but the control plane is linked, on one core, while the parts are
// compiled, and everything is downloaded at once, from the start. The first error
// ends all.
func (p *preparation) run(ctx context.Context, target buildTarget) (err error) {
	start := time.Now()
	if err = os.MkdirAll(p.wanted.Cache, 0o755); err != nil {
		return fmt.Errorf("making the cache folder (set %s to another): %w", assets.CacheEnv, err)
	}
	unlock, err := lock(ctx, filepath.Join(p.wanted.Cache, "prepare.lock"), p.out)
	if err != nil {
		return err
	}
	defer unlock()
	if err = p.removeStale(); err != nil {
		return err
	}
	if p.temporary, err = os.MkdirTemp(p.wanted.Cache, building); err != nil {
		return fmt.Errorf("making a folder to build in: %w", err)
	}
	defer os.RemoveAll(p.temporary)

	running, ctx := errgroup.WithContext(ctx)
	downloaded := make([]chan struct{}, len(target.parts))
	for i, part := range target.parts {
		downloaded[i] = make(chan struct{})
		running.Go(func() error {
			defer close(downloaded[i])
			return p.download(ctx, part)
		})
	}
	compiled := make(chan struct{})
	running.Go(func() error {
		done := sync.OnceFunc(func() { close(compiled) })
		defer done()
		if !target.controlPlane || p.wanted.Built() {
			return nil
		}
		return p.buildControlPlane(ctx, done)
	})
	running.Go(func() error {
		<-compiled
		for i, part := range target.parts {
			<-downloaded[i]
			if err := ctx.Err(); err != nil {
				return err
			}
			compile := step{name: "compiling " + part.name, dir: part.module, args: part.build, progress: compiledLine}
			if _, err := p.do(ctx, &compile); err != nil {
				return err
			}
		}
		return nil
	})
	if err := running.Wait(); err != nil {
		return err
	}
	if took := time.Since(start); took > reportEvery {
		p.say("Everything is ready after %s", took.Round(time.Second))
	}
	return nil
}

// download resolves the packages of a part, which downloads the modules that they are in.
func (p *preparation) download(ctx context.Context, part part) error {
	list := step{name: "downloading modules for " + part.name, dir: part.module, args: append([]string{"list", "-deps"}, part.packages...), progress: downloadLine}
	_, err := p.do(ctx, &list)
	return err
}
