package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// The media types of the OCI image specification 1.1.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// image is the image for one machine: a single layer.
type image struct {
	arch  string
	layer []byte // tar.gz
}

// descriptor points to a blob (OCI image specification, descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	OS   string `json:"os"`
	Arch string `json:"architecture"`
}

// nobody is the user that the program runs as in the image; see
// deploy/Dockerfile.
const nobody = 65532

// layer holds what deploy/Dockerfile puts into its image, and nothing else.
func (r *release) layer(binary string) ([]byte, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	roots, err := os.ReadFile(r.roots)
	if err != nil {
		return nil, fmt.Errorf("-roots: %w", err)
	}
	data, err := pack([]entry{
		{name: "etc/", mode: 0o755}, {name: "etc/ssl/", mode: 0o755}, {name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: roots},
		{name: "gatehouse", mode: 0o755, data: program},
		{name: "var/", mode: 0o755}, {name: "var/lib/", mode: 0o755},
		{name: "var/lib/gatehouse/", mode: 0o700, uid: nobody},
	}, r.at)
	if err != nil {
		return nil, err
	}
	return squeeze(data)
}

// layout collects the blobs of an OCI image layout.
type layout struct {
	blobs []entry
	known map[string]bool
}

func (l *layout) add(mediaType string, data []byte) descriptor {
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	if !l.known[sum] {
		l.known[sum] = true
		l.blobs = append(l.blobs, entry{name: "blobs/sha256/" + sum, mode: 0o644, data: data})
	}
	return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: len(data)}
}

func (l *layout) addJSON(mediaType string, value any) (descriptor, error) {
	data, err := json.Marshal(value)
	return l.add(mediaType, data), err
}

// writeImage writes one image for all machines, as a tar of an OCI layout, which
// docker, podman, skopeo and crane load.
func (r *release) writeImage(images []image) error {
	l := &layout{known: make(map[string]bool)}
	var manifests []descriptor
	for _, i := range images {
		d, err := r.manifest(l, i)
		if err != nil {
			return err
		}
		manifests = append(manifests, d)
	}
	all, err := l.addJSON(typeIndex, map[string]any{"schemaVersion": 2, "mediaType": typeIndex, "manifests": manifests})
	if err != nil {
		return err
	}
	all.Annotations = map[string]string{"org.opencontainers.image.ref.name": r.version, "io.containerd.image.name": "gatehouse:" + r.version}
	top, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": typeIndex, "manifests": []descriptor{all}})
	if err != nil {
		return err
	}
	files := append([]entry{
		{name: "oci-layout", mode: 0o644, data: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{name: "index.json", mode: 0o644, data: top},
		{name: "blobs/", mode: 0o755}, {name: "blobs/sha256/", mode: 0o755},
	}, l.blobs...)
	data, err := pack(files, r.at)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, fmt.Sprintf("gatehouse_%s_image.tar", r.version)), data, 0o644)
}

func (r *release) manifest(l *layout, i image) (descriptor, error) {
	diff, err := uncompressedDigest(i.layer)
	if err != nil {
		return descriptor{}, err
	}
	created := r.at.Format(time.RFC3339)
	config, err := l.addJSON(typeConfig, map[string]any{
		"created": created, "os": "linux", "architecture": i.arch,
		"config": map[string]any{
			"User": fmt.Sprintf("%d:%d", nobody, nobody), "Env": []string{"XDG_STATE_HOME=/var/lib"},
			"Entrypoint": []string{"/gatehouse"}, "Cmd": []string{"serve"}, "ExposedPorts": map[string]any{"3000/tcp": struct{}{}},
			"StopSignal": "SIGTERM",
			"Labels":     map[string]string{"org.opencontainers.image.title": "gatehouse", "org.opencontainers.image.version": r.version, "org.opencontainers.image.licenses": "MIT"},
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{diff}},
		"history": []map[string]string{{"created": created, "created_by": "deploy/release"}},
	})
	if err != nil {
		return descriptor{}, err
	}
	d, err := l.addJSON(typeManifest, map[string]any{
		"schemaVersion": 2, "mediaType": typeManifest, "config": config, "layers": []descriptor{l.add(typeLayer, i.layer)},
	})
	d.Platform = &platform{"linux", i.arch}
	return d, err
}

func uncompressedDigest(layer []byte) (string, error) {
	r, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil)), nil
}
