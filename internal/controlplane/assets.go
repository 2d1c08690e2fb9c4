package controlplane

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/modfile"
)

// Environment variables that say where the binaries are.
const (
	// AssetsEnv names a folder with the four binaries. It is the variable that
	// the whole kubebuilder family of tools reads.
	AssetsEnv = "KUBEBUILDER_ASSETS"
	// CacheEnv names the folder that holds the cache; the user's cache folder
	// if it is not set.
	CacheEnv = "PARTNER_OPERATOR_CACHE"
	// KubernetesEnv names a minor version of Kubernetes other than the newest, such
	// as 1.35: one that hack/controlplane has a kubernetes-<minor>.mod for.
	KubernetesEnv = "PARTNER_OPERATOR_KUBERNETES"
)

// binaries are the names that the built binary answers to.
var binaries = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}

// NotBuiltError says that there are no binaries for the pinned versions yet.
type NotBuiltError struct {
	// Dir is where Build will put them.
	Dir string
}

func (e *NotBuiltError) Error() string {
	return fmt.Sprintf("the embedded control plane is not built yet (nothing in %s): run `make controlplane`, "+
		"or let %s name a folder with %v", e.Dir, AssetsEnv, binaries)
}

// Assets returns the folder with the control plane's binaries. It is a
// *NotBuiltError if there is none.
func Assets() (string, error) {
	if dir := os.Getenv(AssetsEnv); dir != "" && os.Getenv(KubernetesEnv) == "" {
		if complete(dir) {
			return dir, nil
		}
		// An incomplete folder is one of another tool, which has no
		// kube-controller-manager in it.
	}
	build, err := pinned()
	if err != nil {
		return "", err
	}
	if !complete(build.dir) {
		return "", &NotBuiltError{Dir: build.dir}
	}
	return build.dir, nil
}

func complete(dir string) bool {
	for _, name := range binaries {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// pinnedBuild is what the module in hack/controlplane pins.
type pinnedBuild struct {
	// module is the folder of the module that is built, and modfile the file in it
	// that pins the versions.
	module, modfile string
	// kubernetes and etcd are versions such as v1.37.1.
	kubernetes, etcd string
	// dir is the cache folder of exactly this build.
	dir string
}

// pinned reads the module's files: all that goes into the binaries is part of
// the cache folder's name, so that a change of version is a new folder.
func pinned() (pinnedBuild, error) {
	root, err := moduleRoot()
	if err != nil {
		return pinnedBuild{}, err
	}
	b := pinnedBuild{module: filepath.Join(root, "hack", "controlplane"), modfile: "go.mod"}
	if minor := os.Getenv(KubernetesEnv); minor != "" {
		b.modfile = "kubernetes-" + minor + ".mod"
		if _, err := os.Stat(filepath.Join(b.module, b.modfile)); err != nil {
			return pinnedBuild{}, fmt.Errorf("%s is %q, and no file pins that version: set it to a minor version with a kubernetes-<minor>.mod in %s, "+
				"or leave it out for the newest", KubernetesEnv, minor, b.module)
		}
	}
	sum := sha256.New()
	for _, name := range []string{b.modfile, strings.TrimSuffix(b.modfile, ".mod") + ".sum", "main.go"} {
		data, err := os.ReadFile(filepath.Join(b.module, name))
		if err != nil {
			return pinnedBuild{}, fmt.Errorf("reading the control plane's module: %w", err)
		}
		sum.Write(data)
		if name != b.modfile {
			continue
		}
		mod, err := modfile.ParseLax(name, data, nil)
		if err != nil {
			return pinnedBuild{}, fmt.Errorf("reading the control plane's module: %w", err)
		}
		for _, r := range mod.Require {
			switch r.Mod.Path {
			case "k8s.io/kubernetes":
				b.kubernetes = r.Mod.Version
			case "go.etcd.io/etcd/server/v3":
				b.etcd = r.Mod.Version
			}
		}
	}
	fmt.Fprint(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	cache := os.Getenv(CacheEnv)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return pinnedBuild{}, fmt.Errorf("no cache folder (set %s to one): %w", CacheEnv, err)
		}
		cache = filepath.Join(user, "partner-operator")
	}
	b.dir = filepath.Join(cache, "controlplane",
		fmt.Sprintf("kubernetes-%s-etcd-%s-%s", b.kubernetes, b.etcd, hex.EncodeToString(sum.Sum(nil))[:12]))
	return b, nil
}

// moduleRoot finds the top of the work tree from the current folder upwards.
func moduleRoot() (string, error) {
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
