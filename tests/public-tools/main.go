// Verifies an audit log with public libraries for transparency logs alone.
//
//	go run . LOG-DIR VKEY [OLD-CHECKPOINT] [PROOF.tlog-proof] [WITNESS-KEYS]
//
// Every bundle and tile is checked by Tessera's fsck, every entry's inclusion and the old checkpoint's
// consistency by transparency-dev/merkle and golang.org/x/mod/sumdb/tlog, cosignatures by
// transparency-dev/formats. Ends with 1 on any doubt.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/formats/log"
	cosignature "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: public-tools LOG-DIR VKEY [OLD-CHECKPOINT] [PROOF] [WITNESS-KEYS]"))
	}
	verifier, err := note.NewVerifier(os.Args[2])
	fail(err)
	files := client.FileFetcher{Root: os.Args[1]}
	ctx := context.Background()

	// Many workers: each ends at the first thing that is wrong, and without any the check would not end.
	fail(fsck.New(verifier.Name(), verifier, files, hashBundle, fsck.Opts{N: 16}).Check(ctx))
	checkpoint, _, _, err := client.FetchCheckpoint(ctx, files.ReadCheckpoint, verifier, verifier.Name())
	fail(err)
	fmt.Printf("fsck %d\n", checkpoint.Size)
	if checkpoint.Size > 0 {
		fmt.Printf("inclusion %d\n", checkInclusion(ctx, files, checkpoint))
	}
	if len(os.Args) > 3 && os.Args[3] != "" {
		fmt.Printf("consistency %d\n", checkConsistency(ctx, files, checkpoint, verifier, os.Args[3]))
	}
	if len(os.Args) > 4 && os.Args[4] != "" {
		fmt.Printf("proof %d\n", checkProof(verifier, os.Args[4]))
	}
	if len(os.Args) > 5 {
		size, by := checkWitnesses(files, checkpoint, verifier, os.Args[5])
		fmt.Printf("witnessed %d by %d\n", size, by)
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hashBundle(data []byte) ([][]byte, error) {
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(data); err != nil {
		return nil, err
	}
	hashes := make([][]byte, len(bundle.Entries))
	for i, entry := range bundle.Entries {
		hashes[i] = rfc6962.DefaultHasher.HashLeaf(entry)
	}
	return hashes, nil
}

// checkInclusion proves up to a thousand entries, evenly spread, and returns how many.
func checkInclusion(ctx context.Context, files client.FileFetcher, checkpoint *log.Checkpoint) int {
	builder, err := client.NewProofBuilder(ctx, checkpoint.Size, files.ReadTile)
	fail(err)
	proven := 0
	step := checkpoint.Size/1000 + 1
	for index := uint64(0); index < checkpoint.Size; index += step {
		bundle, err := client.GetEntryBundle(ctx, files.ReadEntryBundle, index/256, checkpoint.Size)
		fail(err)
		leaf := rfc6962.DefaultHasher.HashLeaf(bundle.Entries[index%256])
		path, err := builder.InclusionProof(ctx, index)
		fail(err)
		fail(proof.VerifyInclusion(rfc6962.DefaultHasher, index, checkpoint.Size, leaf, path, checkpoint.Hash))
		proven++
	}
	return proven
}

// checkConsistency proves the log to continue an older checkpoint, and returns that one's size.
func checkConsistency(ctx context.Context, files client.FileFetcher, checkpoint *log.Checkpoint, verifier note.Verifier, path string) uint64 {
	raw, err := os.ReadFile(path)
	fail(err)
	old, _, _, err := log.ParseCheckpoint(raw, verifier.Name(), verifier)
	fail(err)
	builder, err := client.NewProofBuilder(ctx, checkpoint.Size, files.ReadTile)
	fail(err)
	steps, err := builder.ConsistencyProof(ctx, old.Size, checkpoint.Size)
	fail(err)
	fail(proof.VerifyConsistency(rfc6962.DefaultHasher, old.Size, checkpoint.Size, steps, old.Hash, checkpoint.Hash))
	return old.Size
}

// checkProof verifies a proof in the form c2sp.org/tlog-proof@v1 whose extra data is the entry, and returns
// the entry's index.
func checkProof(verifier note.Verifier, path string) int64 {
	raw, err := os.ReadFile(path)
	fail(err)
	head, signed, found := bytes.Cut(raw, []byte("\n\n"))
	if !found {
		fail(fmt.Errorf("the proof has no checkpoint"))
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	fail(err)
	var checkpoint log.Checkpoint
	_, err = checkpoint.Unmarshal([]byte(opened.Text))
	fail(err)
	lines := strings.Split(string(head), "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail(fmt.Errorf("not a proof"))
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	fail(err)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	fail(err)
	var hashes tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		fail(err)
		hashes = append(hashes, hash)
	}
	root, err := tlog.ParseHash(base64.StdEncoding.EncodeToString(checkpoint.Hash))
	fail(err)
	fail(tlog.CheckRecord(hashes, int64(checkpoint.Size), root, index, tlog.RecordHash(entry)))
	return index
}

// checkWitnesses verifies the cosigned checkpoint, which the log has to continue, by a file of witnesses' keys, a
// line each. Returns its size and how many of them have cosigned it.
func checkWitnesses(files client.FileFetcher, checkpoint *log.Checkpoint, verifier note.Verifier, path string) (uint64, int) {
	keys, err := os.ReadFile(path)
	fail(err)
	verifiers := []note.Verifier{verifier}
	for _, key := range strings.Fields(string(keys)) {
		witness, err := cosignature.NewVerifierForCosignatureV1(key)
		fail(err)
		verifiers = append(verifiers, witness)
	}
	cosigned := filepath.Join(files.Root, "checkpoint.cosigned")
	raw, err := os.ReadFile(cosigned)
	fail(err)
	opened, err := note.Open(raw, note.VerifierList(verifiers...))
	fail(err)
	by := len(opened.Sigs) - 1
	if by < 1 {
		fail(fmt.Errorf("no witness has cosigned it"))
	}
	return checkConsistency(context.Background(), files, checkpoint, verifier, cosigned), by
}
