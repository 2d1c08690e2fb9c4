package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// hierarchy is a mounted tree of cgroups.
type hierarchy struct {
	path string
	// unified reports that it is of version 2.
	unified bool
}

// hierarchies are those that are mounted below /sys/fs/cgroup: one of version 2, or some of
// version 1 and perhaps one of version 2 without controllers.
func hierarchies() []hierarchy {
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	var found []hierarchy
	for line := range strings.Lines(string(mounts)) {
		of, system, _ := strings.Cut(line, " - ")
		fields := strings.Fields(of)
		kind, _, _ := strings.Cut(system, " ")
		if len(fields) > 4 && strings.HasPrefix(fields[4], "/sys/fs/cgroup") && (kind == "cgroup" || kind == "cgroup2") {
			found = append(found, hierarchy{fields[4], kind == "cgroup2"})
		}
	}
	return found
}

// makeCgroups makes a cgroup in each hierarchy, below which kubelet makes those of Pods.
func makeCgroups(name string) error {
	for _, h := range hierarchies() {
		if h.unified && h.path != "/sys/fs/cgroup" {
			continue // without controllers; runc makes what it wants
		}
		dir := filepath.Join(h.path, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making a cgroup: %w", err)
		}
		if h.unified {
			for _, of := range []string{h.path, dir} {
				if err := os.WriteFile(filepath.Join(of, "cgroup.subtree_control"), []byte("+cpu +cpuset +memory +pids"), 0o644); err != nil {
					return fmt.Errorf("enabling the controllers that kubelet needs: %w", err)
				}
			}
			continue
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(h.path, file))
			if errors.Is(err, fs.ErrNotExist) {
				continue // another controller's hierarchy
			}
			if err = errors.Join(err, os.WriteFile(filepath.Join(dir, file), value, 0o644)); err != nil {
				return fmt.Errorf("giving a cgroup its processors: %w", err)
			}
		}
	}
	return nil
}

// removeCgroups removes all cgroups of a cluster, once their processes have ended.
func removeCgroups(cluster string) error {
	var left []string
	for range 600 {
		left = nil
		for _, h := range hierarchies() {
			for _, root := range glob(filepath.Join(h.path, cluster+"-*")) {
				var dirs []string
				_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
					if err == nil && entry.IsDir() {
						dirs = append(dirs, path)
					}
					return nil // what is gone already
				})
				for _, dir := range slices.Backward(dirs) {
					_ = os.Remove(dir)
				}
				if _, err := os.Stat(root); err == nil {
					left = append(left, root)
				}
			}
		}
		if len(left) == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("cgroups cannot be removed: %s", strings.Join(left, ", "))
}
