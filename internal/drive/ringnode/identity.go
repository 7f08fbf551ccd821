package ringnode

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/boltfile"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

const (
	identityFile    = "identity.json" // in the data directory, readable by its owner alone
	identityVersion = 1
	certificateTime = 90 * 24 * time.Hour
	renewBefore     = 30 * 24 * time.Hour // of its end a certificate is renewed
)

// identity is who a host is: its key for ever, and what makes it a member. It is written before anything is done in its name.
type identity struct {
	key         ed25519.PrivateKey
	certificate *ringwire.Certificate // nil before the ring admitted it
	secrets     *ringwire.Secrets     // nil before
	parameters  ringwire.Parameters
}

// identityDocument is the file's form.
type identityDocument struct {
	Version     int                 `json:"version"`
	Seed        []byte              `json:"key"`
	Certificate []byte              `json:"certificate,omitempty"`
	Secrets     []byte              `json:"secrets,omitempty"`
	Parameters  ringwire.Parameters `json:"parameters"`
}

// public is the host's public key.
func (id *identity) public() [32]byte { return [32]byte(id.key.Public().(ed25519.PublicKey)) }

// member reports whether a ring has admitted the host.
func (id *identity) member() bool { return id.certificate != nil && id.secrets != nil }

// ca is the key that the ring's certificates are signed with.
func (id *identity) ca() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(id.secrets.Seed[:]) }

// ring is the ring's name.
func (id *identity) ring() ringwire.RingID {
	return ringwire.NewRingID(id.secrets.Genesis[:], id.parameters.Bits)
}

// space is where the ring's positions lie.
func (id *identity) space() ringwire.Space { return ringwire.Space{Bits: id.parameters.Bits} }

// found makes the identity the first member of a new ring.
func (id *identity) found(p ringwire.Parameters, positions int, explicit []ringwire.ID, now time.Time) {
	public, ca, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	id.parameters = p
	id.secrets = &ringwire.Secrets{Serial: 1, Seed: [32]byte(ca.Seed()), Genesis: [32]byte(public)}
	id.certificate = id.admit(id.public(), ringwire.RoleMember, positions, explicit, now)
}

// admit makes a certificate for a key, with a nonce that its holder could not choose.
func (id *identity) admit(public [32]byte, role ringwire.Role, positions int, explicit []ringwire.ID, now time.Time) *ringwire.Certificate {
	c := &ringwire.Certificate{Ring: id.ring(), Public: public, Role: role, Positions: positions, Explicit: explicit,
		Expires: now.Add(certificateTime).Unix(), Serial: id.secrets.Serial}
	rand.Read(c.Nonce[:])
	c.Sign(id.ca())
	return c
}

// renew returns a certificate with the same positions and a later end.
func (id *identity) renew(old *ringwire.Certificate, now time.Time) *ringwire.Certificate {
	c := *old
	c.Expires, c.Serial = now.Add(certificateTime).Unix(), id.secrets.Serial
	c.Sign(id.ca())
	return &c
}

// trusts reports whether the ring's present CA, whose public key is given, signed the certificate, and its time is not over.
func (id *identity) trusts(c *ringwire.Certificate, ca ed25519.PublicKey, now time.Time) bool {
	return c.Ring == id.ring() && c.Serial == id.secrets.Serial && !c.Expired(now) && c.Verify(ca)
}

// remembers reports whether a former CA of the ring signed the certificate, whatever its time.
func (id *identity) remembers(c *ringwire.Certificate) bool {
	if c.Ring != id.ring() {
		return false
	}
	for _, former := range id.secrets.Former {
		if c.Verify(former[:]) {
			return true
		}
	}
	return c.Verify(id.ca().Public().(ed25519.PublicKey))
}

// checkWhole refuses a data directory whose database was removed from beside the identity of a member. With an empty one the host would deny what
// it has acknowledged, and would name its next writes as it named earlier ones, which others then take for known. The identity is looked at first: on
// a first start the database is made before it.
func checkWhole(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, identityFile))
	if err != nil {
		return nil // there is none yet, or loadIdentity says what is wrong with it
	}
	if id, err := parseIdentity(b); err != nil || !id.member() {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, storeFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return &ringapi.Error{Code: ringapi.Failed, Message: fmt.Sprintf("%s is gone, though %s is there: this node's records are lost", storeFile, identityFile),
		Hint: "move the whole data directory away and join as a new node, with a token: the ring has other copies"}
}

// loadIdentity reads the identity in dir, or makes one and writes it. Beside a database that another identity has used there must be one: its
// records were acknowledged, and synchronised, in that one's name and place.
func loadIdentity(dir string, used bool) (*identity, error) {
	name := filepath.Join(dir, identityFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && used {
		return nil, &ringapi.Error{Code: ringapi.Failed, Message: fmt.Sprintf("%s is gone, though %s is there: this node has lost its key", identityFile, storeFile),
			Hint: "restore it from a copy; else move the whole data directory away and join as a new node, with a token: the ring has other copies"}
	}
	if errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, err
		}
		id := &identity{key: key}
		return id, id.save(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the node's identity: %w", err)
	}
	id, err := parseIdentity(b)
	if err != nil {
		return nil, fmt.Errorf("the node's identity %s is damaged (%w); restore it from a copy, or move it away to join as a new node", name, err)
	}
	return id, nil
}

func parseIdentity(b []byte) (*identity, error) {
	var doc identityDocument
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	if doc.Version != identityVersion {
		return nil, fmt.Errorf("version %d, this eddy knows %d", doc.Version, identityVersion)
	}
	if len(doc.Seed) != ed25519.SeedSize {
		return nil, errors.New("no key in it")
	}
	id := &identity{key: ed25519.NewKeyFromSeed(doc.Seed), parameters: doc.Parameters}
	if doc.Certificate == nil {
		return id, nil
	}
	var err error
	if id.certificate, err = ringwire.ParseCertificate(doc.Certificate); err != nil {
		return nil, err
	}
	r := ringwire.NewReader(doc.Secrets)
	id.secrets = r.Secrets()
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	if id.certificate.Public != id.public() || !id.remembers(id.certificate) {
		return nil, errors.New("its certificate is not for its key")
	}
	return id, nil
}

func (id *identity) save(dir string) error {
	doc := identityDocument{Version: identityVersion, Seed: id.key.Seed(), Parameters: id.parameters}
	if id.member() {
		doc.Certificate, doc.Secrets = id.certificate.Append(nil), id.secrets.Append(nil)
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	if err := writeSecret(dir, identityFile, append(b, '\n')); err != nil {
		return fmt.Errorf("writing the node's identity: %w", err)
	}
	return nil
}

// writeSecret replaces a file that only its owner may read, so that a crash leaves the old one or the new one, whole.
func writeSecret(dir, name string, content []byte) error {
	f, err := os.CreateTemp(dir, name+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return err
	}
	return boltfile.SyncFolder(dir)
}
