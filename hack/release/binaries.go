package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/dispel/partner-operator/internal/build"
)

// platform is one for which there is a binary.
type platform struct{ OS, Arch string }

var (
	operatorPlatforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}}
	pluginPlatforms   = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}}
)

// wanted are those of the platforms to build for.
func (r *release) wanted(platforms []platform) []platform {
	var wanted []platform
	for _, p := range platforms {
		if r.only == "" || r.only == p.OS+"/"+p.Arch {
			wanted = append(wanted, p)
		}
	}
	return wanted
}

func (r *release) buildOperator() error {
	for _, p := range r.wanted(operatorPlatforms) {
		if _, err := r.binary("partner-operator", p); err != nil {
			return err
		}
	}
	return nil
}

//go:embed partner.yaml.tmpl
var krewManifest string

// download is what krew fetches for a platform.
type download struct {
	platform
	Archive, SHA256 string
	// Binary is the name of the plugin in it.
	Binary string
}

func (r *release) buildPlugin() error {
	var downloads []download
	for _, p := range r.wanted(pluginPlatforms) {
		built, err := r.binary("kubectl-partner", p)
		if err != nil {
			return err
		}
		downloads = append(downloads, built)
	}
	if len(downloads) == 0 {
		return nil
	}
	var text bytes.Buffer
	err := template.Must(template.New("manifest").Parse(krewManifest)).Execute(&text, struct {
		Version   string
		Platforms []download
	}{r.version, downloads})
	if err != nil {
		return err
	}
	return r.write("partner.yaml", text.Bytes())
}

// binary builds a command for a platform, and makes its archive and its bill of
// materials.
func (r *release) binary(command string, p platform) (download, error) {
	fmt.Printf("Building %s for %s/%s\n", command, p.OS, p.Arch)
	name := fmt.Sprintf("%s_%s_%s_%s", command, r.version, p.OS, p.Arch)
	built := download{platform: p, Binary: command, Archive: name + ".tar.gz"}
	pack := tarball
	if p.OS == "windows" {
		built.Binary += ".exe"
		built.Archive, pack = name+".zip", zipped
	}
	temporary, err := os.MkdirTemp("", "release")
	if err != nil {
		return built, err
	}
	defer os.RemoveAll(temporary)
	binary := filepath.Join(temporary, built.Binary)
	const path = "github.com/dispel/partner-operator/internal/build"
	// What Go notes of the work tree would tell a clone from its original.
	cmd := exec.Command("go", "build",
		"-ldflags", fmt.Sprintf("-s -w -X %s.version=%s -X %s.commit=%s", path, r.version, path, r.commit), "-o", binary, "./cmd/"+command)
	cmd.Env = append(os.Environ(), "GOOS="+p.OS, "GOARCH="+p.Arch, "CGO_ENABLED=0", "GOFLAGS="+build.Flags, "GOWORK=auto", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err = cmd.Run(); err != nil {
		return built, err
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return built, err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return built, err
	}
	var archive bytes.Buffer
	if err = pack(&archive, file{built.Binary, data, 0o755}, file{"LICENSE", license, 0o644}); err != nil {
		return built, err
	}
	sum := sha256.Sum256(archive.Bytes())
	built.SHA256 = hex.EncodeToString(sum[:])
	if err = r.write(built.Archive, archive.Bytes()); err != nil {
		return built, err
	}
	materials, err := r.materials(command, binary)
	if err != nil {
		return built, err
	}
	return built, r.write(name+".cdx.json", materials)
}

// materials is the bill of materials of a binary, as CycloneDX: the modules that
// Go noted in it, with the digests of go.sum.
func (r *release) materials(command, binary string) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		Type: cdx.ComponentTypeApplication, Name: command, Version: r.version,
		PackageURL: "pkg:golang/" + info.Path + "@" + r.version,
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
	}}
	components := []cdx.Component{{
		Type: cdx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion, PackageURL: "pkg:golang/std@" + info.GoVersion,
	}}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		purl := "pkg:golang/" + module.Path + "@" + module.Version
		components = append(components, cdx.Component{
			Type: cdx.ComponentTypeLibrary, BOMRef: purl, Name: module.Path, Version: module.Version, PackageURL: purl,
			Properties: &[]cdx.Property{{Name: "go:sum", Value: module.Sum}},
		})
	}
	bom.Components = &components
	var out bytes.Buffer
	encoder := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON)
	encoder.SetPretty(true)
	err = encoder.Encode(bom)
	return out.Bytes(), err
}
