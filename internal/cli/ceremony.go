package cli

// ceremony is the founding of an alliance, for people in a room.
const ceremony = `The founding of an alliance

Who is there: the secretariat, at least two cities, the holders of the root keys (five of
different cities are usual, three of whom must sign), and who will sign acts (three, two of
whom must). A key never leaves the machine on which it was made. Root keys are made and
used on machines that are never on a network.

Before the day
 1. Each founder sets up its node and starts it once:
      cityproof-node init --city ID --url https://… --dir DIR
      cityproof-node run --config DIR/node.yaml
 2. Each founder makes its recovery key, offline, and its officers make theirs:
      cityproof keygen recovery.key --role recovery
      cityproof keygen officer-1.key
 3. Each founder writes its request, the secretariat first; every key signs it:
      cityproof join-request --config DIR/node.yaml --registry SECRETARIAT/log --name NAME \
        --publisher officer-1=KEY --recovery KEY
      cityproof join-request sign ID.join.json --key officer-1.key --key recovery.key
    The secretariat adds --kind secretariat. KEY is what cityproof keygen FILE --public
    prints. A city with two officers can replace a lost key at once; one with one can't.
 4. Each holder makes a root key, offline, and brings its public half on paper:
      cityproof keygen root.key --role root
 5. Each signer of acts makes an act key and brings its public half:
      cityproof keygen act.key --role act

On the day
 6. Everybody reads the requests aloud and compares fingerprints:
      cityproof alliance review ID.join.json
 7. The secretariat writes the root from the keys on paper:
      cityproof alliance init --name NAME --root-key … --act-key … SECRETARIAT.join.json ID.join.json …
 8. The holders sign the file one after another, each on their own machine. Each compares
    the fingerprint with the one on the wall before signing:
      cityproof alliance sign root.json --key root.key
 9. Everybody writes down the fingerprint. It is what outsiders compare for years.

After the day
10. Every founder puts root.json beside its node.yaml, says root: root.json there under the
    member, and starts the node again. Their nodes witness each other from now on.
11. The secretariat records the root in the registry:
      cityproof alliance root root.json --key act-1.key --out root.act.json
      cityproof alliance sign root.act.json --key act-2.key     (the next signer)
      cityproof alliance submit root.act.json --root root.json
12. Everybody publishes the fingerprint where people look: a website, a newspaper. Who wants
    to check runs cityproof use HOST and compares.
13. From a week later on, and then each month, the signers of acts begin an epoch:
      cityproof alliance status
      cityproof alliance epoch --key act-1.key --out epoch.act.json
14. Before root.json expires (in a year), the holders sign the next version:
      cityproof alliance next-root root.json --out root.2.json --pin`
