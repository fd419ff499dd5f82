/**
 * The part of ONNX's protobuf schema that a feed-forward network needs, as objects, with encoder and decoder.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import { PbfReader, PbfWriter } from 'pbf';

/** TensorProto.DataType. */
export const OnnxType = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, float16: 10 } as const;
export type OnnxType = (typeof OnnxType)[keyof typeof OnnxType];

/** AttributeProto.AttributeType. */
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

export interface OnnxTensor {
  name: string;
  dims: number[];
  type: number;
  /** Little-endian values. */
  rawData: Uint8Array;
}

export interface OnnxNode {
  name: string;
  opType: string;
  inputs: string[];
  outputs: string[];
  /** Integer attributes; a list becomes `ints`. */
  attributes: Record<string, number | number[]>;
}

/** Name and shape of a float32 input or output; a string is a named free dimension. */
export interface OnnxValue {
  name: string;
  dims: (number | string)[];
}

export interface OnnxModel {
  irVersion: number;
  opset: number;
  producerName: string;
  producerVersion: string;
  graphName: string;
  nodes: OnnxNode[];
  initializers: OnnxTensor[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
}

/** The bytes of an ONNX file. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const pbf = new PbfWriter();
  pbf.writeVarintField(1, model.irVersion);
  pbf.writeStringField(2, model.producerName);
  pbf.writeStringField(3, model.producerVersion);
  pbf.writeMessage(7, writeGraph, model);
  pbf.writeMessage(8, writeOpset, model.opset);
  return pbf.finish();
}

function writeOpset(version: number, pbf: PbfWriter): void {
  pbf.writeStringField(1, '');
  pbf.writeVarintField(2, version);
}

function writeGraph(model: OnnxModel, pbf: PbfWriter): void {
  for (const node of model.nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeStringField(2, model.graphName);
  for (const tensor of model.initializers) pbf.writeMessage(5, writeTensor, tensor);
  for (const value of model.inputs) pbf.writeMessage(11, writeValue, value);
  for (const value of model.outputs) pbf.writeMessage(12, writeValue, value);
}

function writeNode(node: OnnxNode, pbf: PbfWriter): void {
  for (const input of node.inputs) pbf.writeStringField(1, input);
  for (const output of node.outputs) pbf.writeStringField(2, output);
  pbf.writeStringField(3, node.name);
  pbf.writeStringField(4, node.opType);
  for (const attribute of Object.entries(node.attributes)) pbf.writeMessage(5, writeAttribute, attribute);
}

function writeAttribute([name, value]: [string, number | number[]], pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  if (typeof value === 'number') pbf.writeVarintField(3, value);
  else for (const item of value) pbf.writeVarintField(8, item);
  pbf.writeVarintField(20, typeof value === 'number' ? ATTRIBUTE_INT : ATTRIBUTE_INTS);
}

function writeTensor(tensor: OnnxTensor, pbf: PbfWriter): void {
  for (const size of tensor.dims) pbf.writeVarintField(1, size);
  pbf.writeVarintField(2, tensor.type);
  pbf.writeStringField(8, tensor.name);
  pbf.writeBytesField(9, tensor.rawData);
}

function writeValue(value: OnnxValue, pbf: PbfWriter): void {
  pbf.writeStringField(1, value.name);
  pbf.writeMessage(2, writeType, value);
}

function writeType(value: OnnxValue, pbf: PbfWriter): void {
  pbf.writeMessage(1, writeTensorType, value);
}

function writeTensorType(value: OnnxValue, pbf: PbfWriter): void {
  pbf.writeVarintField(1, OnnxType.float32);
  pbf.writeMessage(2, writeShape, value);
}

function writeShape(value: OnnxValue, pbf: PbfWriter): void {
  for (const dim of value.dims) pbf.writeMessage(1, writeDim, dim);
}

function writeDim(dim: number | string, pbf: PbfWriter): void {
  if (typeof dim === 'number') pbf.writeVarintField(1, dim);
  else pbf.writeStringField(2, dim);
}

/**
 * The initializers of an ONNX file, in its order; everything else is skipped. `rawData` are views into `bytes`.
 * @throws RangeError or Error of the protobuf reader when the bytes are damaged.
 */
export function decodeInitializers(bytes: Uint8Array): OnnxTensor[] {
  return new PbfReader(bytes).readFields<OnnxTensor[]>((tag, tensors, pbf) => {
    if (tag === 7) pbf.readMessage(readGraphField, tensors);
  }, []);
}

function readGraphField(tag: number, tensors: OnnxTensor[], pbf: PbfReader): void {
  if (tag === 5) tensors.push(pbf.readMessage(readTensorField, { name: '', dims: [], type: 0, rawData: new Uint8Array(0) }));
}

function readTensorField(tag: number, tensor: OnnxTensor, pbf: PbfReader): void {
  if (tag === 1) pbf.readPackedVarint(tensor.dims);
  else if (tag === 2) tensor.type = pbf.readVarint();
  else if (tag === 8) tensor.name = pbf.readString();
  else if (tag === 9) tensor.rawData = pbf.readBytes();
}
