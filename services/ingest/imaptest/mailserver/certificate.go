package mailserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certify makes an authority and a certificate for localhost and 127.0.0.1, as files:
// ca.pem, cert.pem, key.pem, and both.pem with key and certificate.
func (s *Server) certify() {
	authorityKey := s.key()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	Must(s.t, err)
	key := s.key()
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), authorityKey)
	Must(s.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	Must(s.t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	s.secret("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authorityDER}))
	s.secret("cert.pem", certPEM)
	s.secret("key.pem", keyPEM)
	s.secret("both.pem", append(keyPEM, certPEM...))
	parsed, err := x509.ParseCertificate(authorityDER)
	Must(s.t, err)
	s.CA = x509.NewCertPool()
	s.CA.AddCert(parsed)
}

func (s *Server) key() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Must(s.t, err)
	return key
}

func (s *Server) secret(name string, text []byte) {
	path := filepath.Join(s.Dir, name)
	Must(s.t, os.WriteFile(path, text, 0o600))
	if os.Geteuid() == 0 {
		owner := OwnerOf(s.t)
		Must(s.t, os.Chown(path, owner.UID, owner.GID))
	}
}
