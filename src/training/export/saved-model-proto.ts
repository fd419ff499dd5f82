/**
 * The part of TensorFlow's protobuf schema that a frozen SavedModel needs. Field numbers: the .proto files in
 * https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core (protobuf/saved_model.proto, meta_graph.proto;
 * framework/graph.proto, node_def.proto, attr_value.proto, tensor.proto, tensor_shape.proto, versions.proto).
 */
import { PbfWriter } from 'pbf';

/** DataType. */
export const TensorFlowType = { float: 1, int32: 3 } as const;
type TensorFlowType = (typeof TensorFlowType)[keyof typeof TensorFlowType];

/** A node's attribute: exactly one of these. Sizes of −1 are free. */
export type GraphAttribute =
  | { type: TensorFlowType }
  | { text: string }
  | { flag: boolean }
  | { ints: number[] }
  | { shape: number[] }
  | { tensor: GraphTensor };

export interface GraphTensor {
  type: TensorFlowType;
  shape: number[];
  /** Little-endian values. */
  content: Uint8Array;
}

export interface GraphNode {
  name: string;
  op: string;
  inputs: string[];
  attributes: Record<string, GraphAttribute>;
}

/** A tensor of a signature, e.g. `logits:0`. */
export interface SignatureTensor {
  key: string;
  tensor: string;
  shape: number[];
}

export interface FrozenModel {
  nodes: GraphNode[];
  inputs: SignatureTensor[];
  outputs: SignatureTensor[];
  /** Version of GraphDef semantics. */
  producer: number;
  tensorFlowVersion: string;
}

/** Bytes of saved_model.pb: one meta graph, tag `serve`, signature `serving_default`. */
export function encodeSavedModel(model: FrozenModel): Uint8Array {
  const pbf = new PbfWriter();
  pbf.writeVarintField(1, 1);
  pbf.writeMessage(2, writeMetaGraph, model);
  return pbf.finish();
}

function writeMetaGraph(model: FrozenModel, pbf: PbfWriter): void {
  pbf.writeMessage(1, writeMetaInfo, model);
  pbf.writeMessage(2, writeGraph, model);
  pbf.writeMessage(5, writeSignatureEntry, model);
}

function writeMetaInfo({ tensorFlowVersion }: FrozenModel, pbf: PbfWriter): void {
  pbf.writeStringField(4, 'serve');
  pbf.writeStringField(5, tensorFlowVersion);
}

function writeGraph({ nodes, producer }: FrozenModel, pbf: PbfWriter): void {
  for (const node of nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeMessage(4, (version: number, out: PbfWriter) => out.writeVarintField(1, version), producer);
}

function writeNode({ name, op, inputs, attributes }: GraphNode, pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  pbf.writeStringField(2, op);
  for (const input of inputs) pbf.writeStringField(3, input);
  for (const entry of Object.entries(attributes)) pbf.writeMessage(5, writeAttributeEntry, entry);
}

/** An entry of a map is a message of key and value. */
function writeAttributeEntry([key, value]: [string, GraphAttribute], pbf: PbfWriter): void {
  pbf.writeStringField(1, key);
  pbf.writeMessage(2, writeAttribute, value);
}

function writeAttribute(value: GraphAttribute, pbf: PbfWriter): void {
  if ('ints' in value) pbf.writeMessage(1, (ints: number[], out: PbfWriter) => out.writePackedVarint(3, ints), value.ints);
  else if ('text' in value) pbf.writeStringField(2, value.text);
  else if ('flag' in value) pbf.writeBooleanField(5, value.flag);
  else if ('type' in value) pbf.writeVarintField(6, value.type);
  else if ('shape' in value) pbf.writeMessage(7, writeShape, value.shape);
  else pbf.writeMessage(8, writeTensor, value.tensor);
}

function writeTensor({ type, shape, content }: GraphTensor, pbf: PbfWriter): void {
  pbf.writeVarintField(1, type);
  pbf.writeMessage(2, writeShape, shape);
  pbf.writeBytesField(4, content);
}

function writeShape(shape: number[], pbf: PbfWriter): void {
  for (const size of shape) pbf.writeMessage(2, (value: number, out: PbfWriter) => out.writeVarintField(1, value), size);
}

function writeSignatureEntry(model: FrozenModel, pbf: PbfWriter): void {
  pbf.writeStringField(1, 'serving_default');
  pbf.writeMessage(2, writeSignature, model);
}

function writeSignature({ inputs, outputs }: FrozenModel, pbf: PbfWriter): void {
  for (const input of inputs) pbf.writeMessage(1, writeSignatureTensor, input);
  for (const output of outputs) pbf.writeMessage(2, writeSignatureTensor, output);
  pbf.writeStringField(3, 'tensorflow/serving/predict');
}

function writeSignatureTensor({ key, ...info }: SignatureTensor, pbf: PbfWriter): void {
  pbf.writeStringField(1, key);
  pbf.writeMessage(2, writeTensorInfo, info);
}

function writeTensorInfo({ tensor, shape }: Omit<SignatureTensor, 'key'>, pbf: PbfWriter): void {
  pbf.writeStringField(1, tensor);
  pbf.writeVarintField(2, TensorFlowType.float);
  pbf.writeMessage(3, writeShape, shape);
}
