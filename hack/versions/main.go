// Command versions keeps the modules of this repository on one set of versions, so
// that a package that several of them need is compiled once:
//
//	go run ./hack/versions raise   raises every dependency of every module to the highest version that one of them has
//	go run ./hack/versions check   counts the packages that are compiled more than once, and fails if there are any
package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "versions:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	dirs, err := modules(".")
	if err != nil {
		return err
	}
	switch {
	case slices.Equal(args, []string{"raise"}):
		return raise(ctx, dirs)
	case slices.Equal(args, []string{"check"}):
		return check(ctx, dirs)
	}
	return fmt.Errorf("unknown command %q: want raise or check", args)
}

// modules are the folders of all modules in a tree.
func modules(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "build" || strings.HasPrefix(entry.Name(), ".") && path != root):
			return fs.SkipDir
		case entry.Name() == "go.mod":
			dirs = append(dirs, filepath.Dir(path))
		}
		return nil
	})
	return dirs, err
}

// workspace stands for the folder of the modules that go.work lists, taken together.
const workspace = "go.work"

// goCommand runs the go command in a module, or in the workspace, and returns what it
// prints.
func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if dir == workspace {
		cmd.Dir = "."
		cmd.Env = append(os.Environ(), "GOWORK=auto")
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("in %s: go %s: %w\n%s", dir, strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}
