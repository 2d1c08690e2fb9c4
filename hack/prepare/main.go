// Command prepare downloads and builds what the commands of the Makefile use, and
// shows how far it is. It depends on little, so that it starts at once.
//
//	go run ./hack/prepare controlplane   the control plane; prints the folder of its binaries
//	go run ./hack/prepare operator       the operator and the demo, without the control plane
//	go run ./hack/prepare demo           both
//	go run ./hack/prepare tools          and the tools that tests run
//	go run ./hack/prepare test           and the tests themselves, too
//
// What is there already is not built again, and an interrupted run goes on where it was.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

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
	// module is the folder of the module, from the top of the work tree.
	module string
	// packages are what `go list` resolves, and so downloads, with its flags.
	packages []string
	// build are the arguments of the go command.
	build []string
}

var (
	demo = part{
		name: "the operator and the demo", module: ".",
		packages: []string{"./cmd/...", "./hack/demo"},
		build:    []string{"build", "-v", "./cmd/...", "./hack/demo"},
	}
	// Listing with -export compiles and does not link.
	tests = part{
		name: "the tests", module: ".",
		packages: []string{"-test", "./..."},
		build:    []string{"list", "-v", "-export", "-test", "-deps", "./..."},
	}
	tools = part{
		name: "Helm and Prometheus' rules", module: "hack/tools",
		packages: []string{"helm.sh/helm/v4/cmd/helm", "./alerts", "github.com/cert-manager/cert-manager/pkg/api"},
		build:    []string{"build", "-v", "-o", "../../bin/", "helm.sh/helm/v4/cmd/helm", "./alerts"},
	}
)

// targets are what can be prepared, beside the control plane.
var targets = map[string][]part{
	"controlplane": nil,
	"operator":     {demo},
	"tools":        {tools},
	"demo":         {demo},
	"test":         {tests, tools},
}

func run(ctx context.Context, args []string) error {
	parts, ok := targets[strings.Join(args, " ")]
	if !ok {
		return fmt.Errorf("say one of %v, not %q", slices.Sorted(maps.Keys(targets)), args)
	}
	wanted, err := assets.Wanted()
	if err != nil {
		return err
	}
	p := preparation{out: os.Stderr, wanted: wanted, root: wanted.Root(), without: args[0] == "operator"}
	if err := p.run(ctx, parts); err != nil {
		return err
	}
	if args[0] == "controlplane" {
		fmt.Println(wanted.Dir)
	}
	return nil
}

// run builds the control plane and then the parts, one after another, since each
// uses all cores; but the control plane is linked, on one core, while the parts are
// compiled, and everything is downloaded at once, from the start.
func (p *preparation) run(ctx context.Context, parts []part) error {
	start := time.Now()
	if err := os.MkdirAll(p.wanted.Cache(), 0o755); err != nil {
		return fmt.Errorf("making the cache folder (set %s to another): %w", assets.CacheEnv, err)
	}
	unlock, err := lock(ctx, filepath.Join(p.wanted.Cache(), "prepare.lock"), p.out)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	downloads := make([]<-chan error, len(parts))
	for i, part := range parts {
		downloads[i] = p.download(ctx, part)
	}
	linked := make(chan error, 1)
	if p.without || p.wanted.Built() {
		linked <- nil
	} else {
		compiled := make(chan struct{})
		go func() { linked <- p.buildControlPlane(ctx, func() { close(compiled) }) }()
		select {
		case err := <-linked:
			linked <- err // before all was compiled
		case <-compiled:
		}
	}
	var errs []error
	for i, part := range parts {
		if err := <-downloads[i]; err != nil {
			errs = append(errs, err)
			break
		}
		compile := step{name: "compiling " + part.name, dir: part.module, args: part.build, line: compiledLine}
		if _, err := p.do(ctx, &compile); err != nil {
			errs = append(errs, err)
			break
		}
	}
	if len(errs) > 0 {
		cancel()
	}
	if err := errors.Join(append(errs, <-linked)...); err != nil {
		return err
	}
	if took := time.Since(start); took > 10*time.Second {
		p.say("Everything is ready after %s", took.Round(time.Second))
	}
	return nil
}

// download resolves the packages of a part in the background, which downloads the
// modules that they are in.
func (p *preparation) download(ctx context.Context, part part) <-chan error {
	ended := make(chan error, 1)
	go func() {
		list := step{name: "downloading modules for " + part.name, dir: part.module, args: append([]string{"list", "-deps"}, part.packages...), line: downloadLine}
		_, err := p.do(ctx, &list)
		ended <- err
	}()
	return ended
}
