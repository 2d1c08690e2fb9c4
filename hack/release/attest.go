package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// subject is a file that the provenance is about, in the terms of in-toto.
type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// attest writes the checksums and the provenance of all files so far, and signs
// both if there is a key.
func (r *release) attest() error {
	slices.Sort(r.files)
	var checksums strings.Builder
	var subjects []subject
	for _, name := range r.files {
		data, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		digest := hex.EncodeToString(sum[:])
		fmt.Fprintf(&checksums, "%s  %s\n", digest, name)
		subjects = append(subjects, subject{name, map[string]string{"sha256": digest}})
	}
	provenance, err := json.MarshalIndent(r.provenance(subjects), "", "  ")
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"checksums.txt": []byte(checksums.String()), "provenance.json": append(provenance, '\n')} {
		if err := r.write(name, data); err != nil {
			return err
		}
		if r.key == "" {
			continue
		}
		signature, err := sign(r.key, data)
		if err != nil {
			return fmt.Errorf("signing with %s: %w", r.key, err)
		}
		if err := r.write(name+".sig", []byte(signature)); err != nil {
			return err
		}
	}
	if r.key == "" {
		fmt.Println("Nothing is signed: there is no key in -key or RELEASE_SIGNING_KEY")
	}
	return nil
}

// provenance says from what the files were built, and how: an in-toto statement
// with SLSA provenance (slsa.dev/provenance/v1). It has no time in it.
func (r *release) provenance(subjects []subject) any {
	const repository = "https://github.com/dispel/partner-operator"
	return map[string]any{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       subjects,
		"predicateType": "https://slsa.dev/provenance/v1",
		"predicate": map[string]any{
			"buildDefinition": map[string]any{
				"buildType":          repository + "/tree/main/hack/release",
				"externalParameters": map[string]string{"version": r.version, "platform": r.only},
				"internalParameters": map[string]string{"go": runtime.Version()},
				"resolvedDependencies": []any{map[string]any{
					"uri": "git+" + repository, "digest": map[string]string{"gitCommit": r.commit},
				}},
			},
			"runDetails": map[string]any{"builder": map[string]string{"id": repository + "/tree/main/hack/release"}},
		},
	}
}

// sign signs data by ECDSA over its SHA-256, in base64, as cosign's verify-blob and
// openssl check it.
func sign(keyFile string, data []byte) (string, error) {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errors.New("there is no PEM in it: make a key with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return "", fmt.Errorf("it is a %T: bring an ECDSA key", parsed)
	}
	digest := sha256.Sum256(data)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	return base64.StdEncoding.EncodeToString(signature), err
}
