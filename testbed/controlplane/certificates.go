package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const lifetime = 365 * 24 * time.Hour

// certificates writes keys and certificates into a folder:
//
//	certificates --folder DIR                                 all that the programs need
//	certificates --folder DIR --user NAME --file FILE [--groups A,B]
//	                                                          FILE.crt and FILE.key for a user, by the authority that is there
func certificates(arguments []string) int {
	flags := flag.NewFlagSet("certificates", flag.ContinueOnError)
	folder := flags.String("folder", "", "where the files are")
	user := flags.String("user", "", "the user to write a client certificate for")
	file := flags.String("file", "user", "the name of its files, without extension")
	groups := flags.String("groups", "", "groups of that user, separated by commas")
	if err := flags.Parse(arguments); err != nil {
		return 2
	}
	if *folder == "" || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: certificates --folder DIR [--user NAME --file FILE [--groups A,B]]")
		return 2
	}
	var err error
	if *user == "" {
		err = writeAll(*folder)
	} else {
		err = writeUser(*folder, *file, *user, strings.FieldsFunc(*groups, func(r rune) bool { return r == ',' }))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "certificates:", err)
		return 1
	}
	return 0
}

func writeAll(folder string) error {
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	if err := authority.write(folder, "ca"); err != nil {
		return err
	}
	server, err := authority.issue(x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
	})
	if err != nil {
		return err
	}
	if err := server.write(folder, "apiserver"); err != nil {
		return err
	}
	for name, user := range map[string]pkix.Name{
		"admin":       {CommonName: "admin", Organization: []string{"system:masters"}},
		"front-proxy": {CommonName: "front-proxy"},
	} {
		client, err := authority.issue(clientOf(user))
		if err != nil {
			return err
		}
		if err := client.write(folder, name); err != nil {
			return err
		}
	}
	// The key that service-account tokens are signed with.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, "service-account.pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(filepath.Join(folder, "service-account.key"), key)
}

func writeUser(folder, file, user string, groups []string) error {
	authority, err := readAuthority(folder)
	if err != nil {
		return err
	}
	client, err := authority.issue(clientOf(pkix.Name{CommonName: user, Organization: groups}))
	if err != nil {
		return err
	}
	return client.write(folder, file)
}

func clientOf(user pkix.Name) x509.Certificate {
	return x509.Certificate{Subject: user, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

// A pair is a certificate, as it is encoded, with its key.
type pair struct {
	certificate []byte
	key         *ecdsa.PrivateKey
}

func newAuthority() (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "testbed"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &pair{certificate: der, key: key}, nil
}

func readAuthority(folder string) (*pair, error) {
	certificate, err := readPEM(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	encoded, err := readPEM(filepath.Join(folder, "ca.key"))
	if err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(encoded)
	if err != nil {
		return nil, err
	}
	return &pair{certificate: certificate, key: key}, nil
}

// issue signs a certificate; the template says whom it is for and what it may do.
func (p *pair) issue(template x509.Certificate) (*pair, error) {
	authority, err := x509.ParseCertificate(p.certificate)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.NotBefore = authority.NotBefore
	template.NotAfter = authority.NotAfter
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, &template, authority, &key.PublicKey, p.key)
	if err != nil {
		return nil, err
	}
	return &pair{certificate: der, key: key}, nil
}

func (p *pair) write(folder, name string) error {
	if err := writePEM(filepath.Join(folder, name+".crt"), "CERTIFICATE", p.certificate); err != nil {
		return err
	}
	return writeKey(filepath.Join(folder, name+".key"), p.key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block", path)
	}
	return block.Bytes, nil
}
