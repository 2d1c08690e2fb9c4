package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"io"
)

// file is a file of an archive.
type file struct {
	name string
	data []byte
	mode int64
}

// tarball and zipped pack files, without any time, so that the same files make the
// same archive.
func tarball(to io.Writer, files ...file) error {
	compressed := gzip.NewWriter(to)
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data))}); err != nil {
			return err
		}
		if _, err := archive.Write(f.data); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

func zipped(to io.Writer, files ...file) error {
	archive := zip.NewWriter(to)
	for _, f := range files {
		w, err := archive.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate})
		if err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	return archive.Close()
}
