package gossipnet

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
)

// serverName tells a server that gossip is meant, and not its public face, which may stand on the same port.
const serverName = "gossip.cityproof.invalid"

// Certificate makes the certificate that a node shows: self-signed, for the key that the roster pins.
func Certificate(key crypto.Signer) (tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), // the roster says until when
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// keyOf is the pinned part of what the other side showed. TLS has checked that it holds the key.
func keyOf(state tls.ConnectionState) (ed25519.PublicKey, error) {
	if len(state.PeerCertificates) != 1 {
		return nil, errors.New("want one certificate")
	}
	key, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the certificate's key is not Ed25519")
	}
	return key, nil
}

// pinned is TLS 1.3 in which check decides by the other side's key alone.
func pinned(own tls.Certificate, check func(ed25519.PublicKey) error) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, ServerName: serverName, NextProtos: []string{"h2"},
		ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection compares the key with the roster's
		VerifyConnection: func(state tls.ConnectionState) error {
			key, err := keyOf(state)
			if err != nil {
				return err
			}
			return check(key)
		},
	}
}

// errStranger is for a key that the roster has for nobody.
var errStranger = errors.New("the roster has no member with this TLS key")

// ServerCredentials let members of the roster speak gossip, by their keys, on a port that also serves everybody: over TLS
// with the node's public certificate where it has one (public is not nil), else without, behind a proxy.
func ServerCredentials(own tls.Certificate, public *tls.Config, known func(ed25519.PublicKey) bool) credentials.TransportCredentials {
	gossip := pinned(own, func(key ed25519.PublicKey) error {
		if !known(key) {
			return errStranger
		}
		return nil
	})
	whole := &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if hello.ServerName == serverName {
			return gossip, nil
		}
		if public == nil {
			return nil, errors.New("this port speaks TLS with members alone")
		}
		return public, nil
	}}
	return &either{TransportCredentials: credentials.NewTLS(whole), plain: public == nil}
}

// either takes TLS, and where plain is set also connections without.
type either struct {
	credentials.TransportCredentials
	plain bool
}

// recordHandshake is the first byte of a TLS connection.
const recordHandshake = 0x16

// ServerHandshake implements credentials.TransportCredentials.
func (c *either) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if !c.plain {
		return c.TransportCredentials.ServerHandshake(conn)
	}
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil {
		return nil, nil, err
	}
	conn = &again{Conn: conn, first: first}
	if first[0] == recordHandshake {
		return c.TransportCredentials.ServerHandshake(conn)
	}
	return insecure.NewCredentials().ServerHandshake(conn)
}

// Clone implements credentials.TransportCredentials.
func (c *either) Clone() credentials.TransportCredentials {
	return &either{c.TransportCredentials.Clone(), c.plain}
}

// again is a connection whose first byte was read.
type again struct {
	net.Conn
	first []byte
}

// Read implements net.Conn.
func (a *again) Read(b []byte) (int, error) {
	if len(a.first) > 0 && len(b) > 0 {
		n := copy(b, a.first)
		a.first = a.first[n:]
		return n, nil
	}
	return a.Conn.Read(b)
}

// caller is the key of the member that calls; ok is false for everybody else.
func caller(ctx context.Context) (ed25519.PublicKey, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, false
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || info.State.ServerName != serverName {
		return nil, false
	}
	key, err := keyOf(info.State)
	return key, err == nil
}

// ClientCredentials are for a member with this key.
func ClientCredentials(own tls.Certificate, theirs ed25519.PublicKey) credentials.TransportCredentials {
	return credentials.NewTLS(pinned(own, func(key ed25519.PublicKey) error {
		if !key.Equal(theirs) {
			return errors.New("it does not hold the TLS key that the roster gives for it")
		}
		return nil
	}))
}
