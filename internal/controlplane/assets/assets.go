// Package assets says where the control plane's binaries are, and what they are
// built from. It depends on little, so that what builds them starts at once.
package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/dispel/partner-operator/internal/build"
)

// Environment variables that say where the binaries are.
const (
	// FolderEnv names a folder with the four binaries, or with some of them. It is
	// the variable that the whole kubebuilder family of tools reads.
	FolderEnv = "KUBEBUILDER_ASSETS"
	// CacheEnv names the folder that holds the cache; the user's cache folder
	// if it is not set.
	CacheEnv = "PARTNER_OPERATOR_CACHE"
	// KubernetesEnv names a minor version of Kubernetes other than the newest, such
	// as 1.35: one that hack/controlplane has a kubernetes-<minor>.mod for.
	KubernetesEnv = "PARTNER_OPERATOR_KUBERNETES"
)

// Binaries are the names of the control plane's binaries.
var Binaries = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}

// NotBuiltError says that there are no binaries for the pinned versions yet.
type NotBuiltError struct {
	// Dir is where they will be.
	Dir string
}

func (e *NotBuiltError) Error() string {
	return fmt.Sprintf("the embedded control plane is not built yet (nothing in %s): run `make controlplane`, "+
		"or let %s name a folder with %v", e.Dir, FolderEnv, Binaries)
}

// Dir returns the folder with the control plane's binaries. It is a
// *NotBuiltError if there is none.
func Dir() (string, error) {
	b, err := Wanted()
	if err != nil {
		return "", err
	}
	if !b.Built() {
		return "", &NotBuiltError{Dir: b.Dir}
	}
	return b.Dir, nil
}

// Build is one build of the control plane.
type Build struct {
	// Module is the folder of the module that is built, Modfile the file in it that
	// pins the versions, and Tags are those that choose what goes into the binary.
	Module, Modfile string
	Tags            []string
	// Components are the binaries that are built; the others are taken from Given, a
	// folder that FolderEnv names.
	Components []string
	Given      string
	// Kubernetes and Etcd are versions such as v1.37.2.
	Kubernetes, Etcd string
	// Dir is the folder of exactly these binaries.
	Dir string
	// Cache is the folder that holds what is built, and Root the top of the work tree.
	Cache, Root string
}

// Built reports whether all binaries are there.
func (b Build) Built() bool {
	return len(present(b.Dir)) == len(Binaries)
}

// present are the binaries that are in a folder.
func present(dir string) []string {
	return slices.DeleteFunc(slices.Clone(Binaries), func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err != nil || info.IsDir() || info.Mode()&0o111 == 0
	})
}

// Wanted is the build that the environment asks for.
func Wanted() (Build, error) {
	given, minor := os.Getenv(FolderEnv), os.Getenv(KubernetesEnv)
	b, err := pinned("go.mod")
	switch {
	case err != nil:
		return Build{}, err
	case minor != "":
		if b, err = pinned("kubernetes-"+minor+".mod", "complete"); errors.Is(err, os.ErrNotExist) {
			return Build{}, fmt.Errorf("%s is %q, and no file pins that version: set it to a minor version with a kubernetes-<minor>.mod in hack/controlplane, "+
				"or unset it for the newest", KubernetesEnv, minor)
		}
		return b, err
	case given == "":
		return b, nil
	}
	if given, err = filepath.Abs(given); err != nil {
		return Build{}, err
	}
	have := present(given)
	switch len(have) {
	case 0:
		return Build{}, fmt.Errorf("%s is %q, which contains none of %v: point it at a folder with at least one of them, or unset it", FolderEnv, given, Binaries)
	case len(Binaries):
		b.Dir = given
		return b, nil
	}
	tags := []string{"only"}
	var missing []string
	for _, name := range Binaries {
		if !slices.Contains(have, name) {
			missing = append(missing, name)
			tags = append(tags, strings.ReplaceAll(name, "-", "_"))
		}
	}
	if b, err = pinned("go.mod", append(tags, given)...); err != nil {
		return Build{}, err
	}
	b.Tags, b.Components, b.Given = tags, missing, given
	return b, nil
}

// Pinned is the whole build of the newest version, whatever the environment says.
func Pinned() (Build, error) {
	return pinned("go.mod")
}

// pinned is the build of a file of versions with tags. All that goes into the binaries
// is part of the folder's name, so that a change of version is a new folder.
func pinned(modfile string, tags ...string) (Build, error) {
	root, err := Root()
	if err != nil {
		return Build{}, err
	}
	cache := os.Getenv(CacheEnv)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return Build{}, fmt.Errorf("no cache folder (set %s to one): %w", CacheEnv, err)
		}
		cache = filepath.Join(user, "partner-operator")
	}
	b := Build{
		Module: filepath.Join(root, "hack", "controlplane"), Modfile: modfile, Tags: tags, Components: Binaries,
		Cache: filepath.Join(cache, "controlplane"), Root: root,
	}
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, build.Flags, tags)
	if err := b.readModule(sum); err != nil {
		return Build{}, fmt.Errorf("reading the control plane's module: %w", err)
	}
	b.Dir = filepath.Join(b.Cache, fmt.Sprintf("kubernetes-%s-etcd-%s-%s", b.Kubernetes, b.Etcd, hex.EncodeToString(sum.Sum(nil))[:12]))
	return b, nil
}

// readModule reads the versions that the module pins, and sums up all its files.
func (b *Build) readModule(sum io.Writer) error {
	files, err := filepath.Glob(filepath.Join(b.Module, "*.go"))
	if err != nil {
		return err
	}
	path := filepath.Join(b.Module, b.Modfile)
	for _, file := range append(files, path, strings.TrimSuffix(path, ".mod")+".sum") {
		var data []byte
		if data, err = os.ReadFile(file); err != nil {
			return err
		}
		fmt.Fprintln(sum, filepath.Base(file), len(data))
		if _, err = sum.Write(data); err != nil {
			return err
		}
		if file != path {
			continue
		}
		mod, err := modfile.ParseLax(file, data, nil)
		if err != nil {
			return err
		}
		for _, r := range mod.Require {
			switch r.Mod.Path {
			case "k8s.io/kubernetes":
				b.Kubernetes = r.Mod.Version
			case "go.etcd.io/etcd/server/v3":
				b.Etcd = r.Mod.Version
			}
		}
	}
	return nil
}

// Root finds the top of the work tree from the current folder upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "hack", "controlplane", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("hack/controlplane is in no folder above: run this inside the work tree")
		}
		dir = parent
	}
}
