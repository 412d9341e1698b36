#!/usr/bin/env python3
"""Write schema.txt: what kustomize's built-in OpenAPI says of merging, in a compact form.

usage: generate_schema.py BUNDLE.json.gz > schema.txt

BUNDLE is kubernetesapi/data/kubernetes-openapi-union-*.bundle-v1.json.gz of the module
sigs.k8s.io/kustomize/kyaml (0.21.2). The form is described at the top of the output.
"""
import gzip
import json
import sys

HEAD = """\
# What the OpenAPI built into kustomize 5.8.2 (kyaml 0.21.2, Kubernetes 1.21.2) says of merging.
# A line `!apiVersion kind N` names the type of a kind. The other lines are types, numbered from 0 in
# their order: the fields with their types, separated by blanks. A type is a number, `.` for what has no
# fields, `[T]` for a list, `{T}` for a map to T; behind a list stand `+` where it is merged, and its keys.
# `*:T` stands for fields not named.
"""


def main():
    bundle = json.load(gzip.open(sys.argv[1]))
    definitions = bundle['definitions']
    numbers = {name: i for i, name in enumerate(sorted(definitions))}

    def of(schema):
        while '$ref' in schema:
            name = schema['$ref'].rsplit('/', 1)[1]
            target = definitions[name]
            if '$ref' not in target and ('properties' in target or 'additionalProperties' in target):
                return str(numbers[name])
            schema = target
        if schema.get('type') == 'array':
            out = '[%s]' % of(schema['items']) if 'items' in schema else '[]'
            if 'merge' in schema.get('x-kubernetes-patch-strategy', '').split(','):
                keys = schema.get('x-kubernetes-list-map-keys')
                if keys is None:
                    key = schema.get('x-kubernetes-patch-merge-key')
                    keys = [] if key is None else [key]
                out += '+' + ','.join(keys)
            return out
        if schema.get('properties'):
            raise SystemExit('a type with fields stands within another')
        if isinstance(schema.get('additionalProperties'), dict):
            return '{%s}' % of(schema['additionalProperties'])
        return '.'

    sys.stdout.write(HEAD)
    for name in sorted(definitions):
        definition = definitions[name]
        for gvk in definition.get('x-kubernetes-group-version-kind', []):
            version = (gvk['group'] + '/' if gvk['group'] else '') + gvk['version']
            print('!%s %s %d' % (version, gvk['kind'], numbers[name]))
    for name in sorted(definitions):
        definition = definitions[name]
        fields = ['%s:%s' % (field, of(schema)) for field, schema in sorted(definition.get('properties', {}).items())]
        if isinstance(definition.get('additionalProperties'), dict):
            fields.append('*:' + of(definition['additionalProperties']))
        print(' '.join(fields))


main()
