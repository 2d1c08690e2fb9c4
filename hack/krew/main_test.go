package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "hack/krew")
}

var _ = BeforeSuite(func() { Expect(os.Chdir("../..")).To(Succeed()) })

var _ = Describe("The krew manifest", func() {
	It("names an archive with the plugin in it", func() {
		out := GinkgoT().TempDir()
		Expect(run("v0.1.0", out, runtime.GOOS+"/"+runtime.GOARCH)).To(Succeed())
		data, err := os.ReadFile(filepath.Join(out, "partner.yaml"))
		Expect(err).NotTo(HaveOccurred())
		var manifest struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     struct {
				Version, ShortDescription string
				Platforms                 []struct {
					Selector         struct{ MatchLabels map[string]string }
					URI, SHA256, Bin string
				}
			}
		}
		Expect(yaml.Unmarshal(data, &manifest)).To(Succeed())
		Expect(manifest.Kind).To(Equal("Plugin"))
		Expect(manifest.Metadata.Name).To(Equal("partner"), "the command is kubectl partner")
		Expect(manifest.Spec.Version).To(Equal("v0.1.0"))
		Expect(len(manifest.Spec.ShortDescription)).To(BeNumerically("<=", 50), "krew shows no more")
		Expect(manifest.Spec.Platforms).To(HaveLen(1))
		platform := manifest.Spec.Platforms[0]
		Expect(platform.Selector.MatchLabels).To(Equal(map[string]string{"os": runtime.GOOS, "arch": runtime.GOARCH}))

		archive, err := os.ReadFile(filepath.Join(out, filepath.Base(platform.URI)))
		Expect(err).NotTo(HaveOccurred())
		sum := sha256.Sum256(archive)
		Expect(platform.SHA256).To(Equal(hex.EncodeToString(sum[:])))

		uncompressed, err := gzip.NewReader(bytes.NewReader(archive))
		Expect(err).NotTo(HaveOccurred())
		reader := tar.NewReader(uncompressed)
		files := map[string]string{}
		for {
			header, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			Expect(err).NotTo(HaveOccurred())
			path := filepath.Join(out, header.Name)
			file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, os.FileMode(header.Mode))
			Expect(err).NotTo(HaveOccurred())
			_, err = io.Copy(file, reader)
			Expect(errors.Join(err, file.Close())).To(Succeed())
			files[header.Name] = path
		}
		Expect(files).To(And(HaveKey("LICENSE"), HaveKey(platform.Bin)))
		version, err := exec.Command(files[platform.Bin], "--version").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(version))
		Expect(string(version)).To(HavePrefix("kubectl partner version v0.1.0, "))
	})

	It("is for a release", func() {
		Expect(run("1234abc", GinkgoT().TempDir(), "")).To(MatchError(`-version "1234abc": write a release, such as v0.1.0`))
		Expect(run("v0.1.0-3-g1234abc", GinkgoT().TempDir(), "")).NotTo(Succeed())
		Expect(run("v1.0.0", GinkgoT().TempDir(), "plan9/386")).To(MatchError(ContainSubstring("is none of the platforms")))
	})
})

var _ = Describe("An archive", func() {
	It("is the same of the same files", func() {
		for _, pack := range []func(io.Writer, ...file) error{tarball, zipped} {
			var one, two bytes.Buffer
			files := []file{{"a", []byte("1"), 0o755}, {"b", []byte("2"), 0o644}}
			Expect(pack(&one, files...)).To(Succeed())
			Expect(pack(&two, files...)).To(Succeed())
			Expect(one.Bytes()).To(Equal(two.Bytes()))
		}
		var archive bytes.Buffer
		Expect(zipped(&archive, file{"a", []byte("1"), 0o755})).To(Succeed())
		reader, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
		Expect(err).NotTo(HaveOccurred())
		Expect(reader.File).To(ConsistOf(HaveField("Name", "a")))
	})
})
