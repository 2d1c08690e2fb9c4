package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "hack/release")
}

var _ = BeforeSuite(func() { Expect(os.Chdir("../..")).To(Succeed()) })

// version is that of the chart, which a release must have.
func version() string {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(chartFolder, "Chart.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var chart struct{ AppVersion string }
	Expect(yaml.Unmarshal(data, &chart)).To(Succeed())
	return chart.AppVersion
}

// here is the platform of this machine.
const here = runtime.GOOS + "/" + runtime.GOARCH

// contents are the files of a tar archive.
func contents(archive string) map[string][]byte {
	GinkgoHelper()
	data, err := os.Open(archive)
	Expect(err).NotTo(HaveOccurred())
	defer data.Close()
	uncompressed, err := gzip.NewReader(data)
	Expect(err).NotTo(HaveOccurred())
	reader := tar.NewReader(uncompressed)
	files := map[string][]byte{}
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		Expect(err).NotTo(HaveOccurred())
		files[header.Name], err = io.ReadAll(reader)
		Expect(err).NotTo(HaveOccurred())
	}
}

// names are the files in a folder.
func names(folder string) []string {
	GinkgoHelper()
	entries, err := os.ReadDir(folder)
	Expect(err).NotTo(HaveOccurred())
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return found
}

var _ = Describe("A release", Ordered, func() {
	var tree, built, clone string
	var key *ecdsa.PrivateKey
	BeforeAll(func() {
		var err error
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		Expect(err).NotTo(HaveOccurred())
		der, err := x509.MarshalPKCS8PrivateKey(key)
		Expect(err).NotTo(HaveOccurred())
		keyFile := filepath.Join(GinkgoT().TempDir(), "key.pem")
		Expect(os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)).To(Succeed())
		tree, err = os.Getwd()
		Expect(err).NotTo(HaveOccurred())
		clone = filepath.Join(GinkgoT().TempDir(), "clone")
		_, err = output("git", "clone", "--quiet", ".", clone)
		Expect(err).NotTo(HaveOccurred())
		// What is not committed yet is a commit of the clone.
		_, err = output("bash", "-o", "pipefail", "-c", "git ls-files --cached --others --exclude-standard -z | tar --create --null --ignore-failed-read --files-from=- | tar --extract --directory="+clone)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.Chdir(clone)).To(Succeed())
		DeferCleanup(os.Chdir, tree)
		_, err = output("bash", "-c", "git add --all && git -c user.name=test -c user.email=test@example.com commit --quiet --allow-empty --message test")
		Expect(err).NotTo(HaveOccurred())
		built = filepath.Join(GinkgoT().TempDir(), "release")
		Expect((&release{version: version(), out: built, only: here, key: keyFile}).build()).To(Succeed())
	})

	It("has binaries that tell their version and commit", func() {
		commit, err := output("git", "rev-parse", "HEAD")
		Expect(err).NotTo(HaveOccurred())
		for command, says := range map[string]string{"partner-operator": "partner-operator version ", "kubectl-partner": "kubectl partner version "} {
			files := contents(filepath.Join(built, command+"_"+version()+"_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz"))
			Expect(files).To(And(HaveLen(2), HaveKey("LICENSE"), HaveKey(command)))
			binary := filepath.Join(GinkgoT().TempDir(), command)
			Expect(os.WriteFile(binary, files[command], 0o755)).To(Succeed())
			out, err := output(binary, "--version")
			Expect(err).NotTo(HaveOccurred())
			Expect(out).To(Equal(says + version() + ", " + commit))
		}
	})

	It("has a krew manifest that names the plugin's archive", func() {
		data, err := os.ReadFile(filepath.Join(built, "partner.yaml"))
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
		Expect(manifest.Spec.Version).To(Equal(version()))
		Expect(len(manifest.Spec.ShortDescription)).To(BeNumerically("<=", 50), "krew shows no more")
		Expect(manifest.Spec.Platforms).To(HaveLen(1))
		platform := manifest.Spec.Platforms[0]
		Expect(platform.Selector.MatchLabels).To(Equal(map[string]string{"os": runtime.GOOS, "arch": runtime.GOARCH}))
		archive := filepath.Join(built, filepath.Base(platform.URI))
		data, err = os.ReadFile(archive)
		Expect(err).NotTo(HaveOccurred())
		sum := sha256.Sum256(data)
		Expect(platform.SHA256).To(Equal(hex.EncodeToString(sum[:])))
		Expect(contents(archive)).To(HaveKey(platform.Bin))
	})

	It("has the chart, as Helm reads it", func() {
		archive := filepath.Join(built, "partner-operator-"+strings.TrimPrefix(version(), "v")+".tgz")
		Expect(contents(archive)).To(And(HaveKey("partner-operator/Chart.yaml"), HaveKey("partner-operator/values.schema.json"), Not(HaveKey(HaveSuffix(".gotmpl")))))
		out, err := output(filepath.Join(tree, "bin", "helm"), "template", "partner-operator", archive)
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(ContainSubstring("kind: CustomResourceDefinition"))
	})

	It("has a bill of materials for each binary", func() {
		for _, command := range []string{"partner-operator", "kubectl-partner"} {
			data, err := os.Open(filepath.Join(built, command+"_"+version()+"_"+runtime.GOOS+"_"+runtime.GOARCH+".cdx.json"))
			Expect(err).NotTo(HaveOccurred())
			var bom cdx.BOM
			Expect(cdx.NewBOMDecoder(data, cdx.BOMFileFormatJSON).Decode(&bom)).To(Succeed())
			Expect(data.Close()).To(Succeed())
			Expect(bom.Metadata.Component.Name).To(Equal(command))
			Expect(*bom.Components).To(ContainElements(HaveField("Name", "std"), HaveField("PackageURL", HavePrefix("pkg:golang/k8s.io/client-go@v0.37."))))
		}
	})

	It("is not signed if it is not built from a commit", func() {
		Expect(os.WriteFile("stray", nil, 0o600)).To(Succeed())
		DeferCleanup(os.Remove, "stray")
		Expect((&release{version: version(), out: filepath.Join(GinkgoT().TempDir(), "out"), only: here, key: "key.pem"}).build()).To(
			MatchError(ContainSubstring("what is signed is built from a commit")))
	})

	It("has checksums and provenance of every file, signed", func() {
		checksums, err := os.ReadFile(filepath.Join(built, "checksums.txt"))
		Expect(err).NotTo(HaveOccurred())
		var summed []string
		for line := range strings.Lines(string(checksums)) {
			digest, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			data, failure := os.ReadFile(filepath.Join(built, name))
			Expect(failure).NotTo(HaveOccurred())
			sum := sha256.Sum256(data)
			Expect(digest).To(Equal(hex.EncodeToString(sum[:])))
			summed = append(summed, name)
		}
		Expect(append(summed, "checksums.txt", "checksums.txt.sig", "provenance.json", "provenance.json.sig")).To(ConsistOf(names(built)))

		var statement struct {
			Subject       []struct{ Name string }
			PredicateType string
		}
		provenance, err := os.ReadFile(filepath.Join(built, "provenance.json"))
		Expect(err).NotTo(HaveOccurred())
		Expect(json.Unmarshal(provenance, &statement)).To(Succeed())
		Expect(statement.PredicateType).To(Equal("https://slsa.dev/provenance/v1"))
		Expect(statement.Subject).To(HaveLen(len(summed)))
		for name, data := range map[string][]byte{"checksums.txt": checksums, "provenance.json": provenance} {
			text, err := os.ReadFile(filepath.Join(built, name+".sig"))
			Expect(err).NotTo(HaveOccurred())
			signature, err := base64.StdEncoding.DecodeString(string(text))
			Expect(err).NotTo(HaveOccurred())
			digest := sha256.Sum256(data)
			Expect(ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature)).To(BeTrue())
		}
	})

	It("is the same when another clone is built", func() {
		elsewhere := filepath.Join(GinkgoT().TempDir(), "elsewhere")
		_, err := output("git", "clone", "--quiet", clone, elsewhere)
		Expect(err).NotTo(HaveOccurred())
		again := filepath.Join(GinkgoT().TempDir(), "again")
		Expect(os.Chdir(elsewhere)).To(Succeed())
		DeferCleanup(os.Chdir, clone)
		Expect((&release{version: version(), out: again, only: here}).build()).To(Succeed())
		for _, name := range names(again) {
			one, err := os.ReadFile(filepath.Join(built, name))
			Expect(err).NotTo(HaveOccurred())
			other, err := os.ReadFile(filepath.Join(again, name))
			Expect(err).NotTo(HaveOccurred())
			Expect(bytes.Equal(one, other)).To(BeTrue(), name)
		}
	})
})

var _ = Describe("What is asked for", func() {
	It("is refused with a remedy if it makes no release", func() {
		out := func() string { return filepath.Join(GinkgoT().TempDir(), "out") }
		Expect((&release{version: "1234abc", out: out()}).build()).To(MatchError(`-version "1234abc": write a release, such as v0.2.0`))
		Expect((&release{version: "v0.1.0-3-g1234abc", out: out()}).build()).NotTo(Succeed())
		Expect((&release{version: "v1.0.0", out: out(), only: "plan9/386"}).build()).To(MatchError(ContainSubstring("is none of the platforms")))
		Expect((&release{version: "v1.0.0", out: "hack"}).build()).To(MatchError(ContainSubstring(`-out "hack": it is not empty`)))
		_, err := sign("LICENSE", nil)
		Expect(err).To(MatchError(ContainSubstring("openssl genpkey")))
	})

	It("must have the version of the chart", func() {
		r := &release{version: "v99.0.0", out: GinkgoT().TempDir()}
		Expect(r.packChart()).To(MatchError(ContainSubstring(`-version "v99.0.0": charts/partner-operator/Chart.yaml has version`)))
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
