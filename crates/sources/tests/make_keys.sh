#!/bin/sh
# Writes tests/fixtures/keys: one RSA key in the forms that OpenSSL gives it, so that our reader is checked by
# another hand; and what is no such key. They open nothing: no account anywhere knows them.
set -eu
cd "$(dirname "$0")/fixtures/keys"
rm -f ./*.pem
openssl genrsa -out pkcs1.pem -traditional 2048
topk8() {
    name=$1
    shift
    openssl pkcs8 -topk8 -in pkcs1.pem -out "$name.pem" "$@"
}
topk8 pkcs8 -nocrypt
topk8 pkcs8_aes256 -v2 aes-256-cbc -passout 'pass:correct horse'
topk8 pkcs8_aes128_sha512 -v2 aes-128-cbc -v2prf hmacWithSHA512 -passout 'pass:correct horse'
topk8 pkcs8_des3 -v2 des3 -passout 'pass:correct horse'
topk8 pkcs8_des3_sha1 -v2 des3 -v2prf hmacWithSHA1 -passout 'pass:correct horse'
topk8 pkcs8_scrypt -scrypt -passout 'pass:correct horse'
topk8 unfit_pbes1 -v1 PBE-SHA1-3DES -passout 'pass:correct horse'
openssl rsa -in pkcs1.pem -out unfit_pkcs1_encrypted.pem -traditional -aes256 -passout 'pass:correct horse'
openssl rsa -in pkcs1.pem -pubout -out unfit_public.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out unfit_ec.pem
openssl genrsa 1024 | openssl pkcs8 -topk8 -nocrypt -out unfit_1024_bits.pem
openssl rsa -in pkcs1.pem -pubout -outform DER | openssl dgst -sha256 -binary | openssl base64 > fingerprint.txt
