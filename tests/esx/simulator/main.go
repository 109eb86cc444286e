// A vCenter or an ESX host for tests: govmomi's simulator behind a layer that refuses what a real one refuses
// (strict.go), does what the simulator lacks (lacking.go) and fails when it is told to (failing.go).
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	mode := flag.String("mode", "vc", "vc or esx")
	machines := flag.Int("machines", 0, "virtual machines of each pool or host at the start")
	hosts := flag.Int("hosts", 2, "hosts of the cluster, for vc")
	datastores := flag.Int("datastores", 2, "datastores")
	certificate := flag.String("certificate", "", "a file for the certificate; without one, there is no TLS")
	listen := flag.String("listen", "127.0.0.1:0", "where to listen")
	flag.Parse()
	log.SetOutput(io.Discard)

	model := simulator.VPX()
	if *mode == "esx" {
		model = simulator.ESX()
	} else {
		model.ClusterHost = *hosts
		model.Host = 0
	}
	model.Machine = *machines
	model.Datastore = *datastores
	defer model.Remove()
	if err := model.Create(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	inner := model.Service.NewServer()
	defer inner.Close()

	front := newFront(model.Service.ServeMux)
	front.completeAll()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ready := map[string]string{"address": listener.Addr().String()}
	if *certificate != "" {
		pair, thumbprint := makeCertificate(*certificate)
		ready["thumbprint"] = thumbprint
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	go http.Serve(listener, front)
	text, _ := json.Marshal(ready)
	fmt.Println(string(text))
	select {}
}

// makeCertificate writes a self-signed certificate for the local host; its thumbprint is that of SHA-256.
func makeCertificate(file string) (tls.Certificate, string) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "localhost"},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.ParseIP("127.0.0.1")},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sum := sha256.Sum256(raw)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, hex.EncodeToString(sum[:])
}
